"""From profiles to what a person asked for: the one place that calls trees and views."""
