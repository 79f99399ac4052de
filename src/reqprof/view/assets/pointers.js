// Mouse, wheel and fingers on the picture.

const STILL = 4; // pixels that a click may move

class Pointers {
  constructor(flame) {
    this.flame = flame;
    this.down = new Map(); // by pointer: where it is
    this.moved = 0;
    const { canvas } = flame;
    canvas.addEventListener("pointerdown", (event) => this.press(event));
    canvas.addEventListener("pointermove", (event) => this.move(event));
    canvas.addEventListener("pointerup", (event) => this.release(event, true));
    canvas.addEventListener("pointercancel", (event) => this.release(event, false));
    canvas.addEventListener("pointerleave", () => flame.onHover(null));
    canvas.addEventListener("wheel", (event) => this.wheel(event), { passive: false });
  }

  press(event) {
    if (event.button) return;
    this.down.set(event.pointerId, [event.offsetX, event.offsetY]);
    if (this.down.size === 1) this.moved = 0;
    // So that a release is heard of wherever it is.
    this.flame.canvas.setPointerCapture(event.pointerId);
  }

  move(event) {
    const { flame } = this;
    const before = this.down.get(event.pointerId);
    if (!before) {
      flame.onHover(flame.at(event.offsetX, event.offsetY), event.offsetX, event.offsetY);
      return;
    }
    const [x, y] = [event.offsetX, event.offsetY];
    this.moved += Math.abs(x - before[0]) + Math.abs(y - before[1]);
    if (this.down.size === 2) this.pinch(event.pointerId, before, [x, y]);
    else if (this.moved > STILL) {
      flame.onHover(null);
      flame.pan(before[0] - x);
      if (event.pointerType === "mouse") flame.host.scrollTop += before[1] - y;
    }
    this.down.set(event.pointerId, [x, y]);
  }

  pinch(id, before, now) {
    const other = [...this.down].find(([each]) => each !== id)[1];
    const apart = (one) => Math.max(20, Math.abs(one[0] - other[0]));
    this.moved += STILL;
    this.flame.zoomAt((now[0] + other[0]) / 2, apart(before) / apart(now));
  }

  release(event, counts) {
    if (!this.down.delete(event.pointerId) || this.down.size) return;
    if (counts && this.moved <= STILL) {
      this.flame.onPick(this.flame.at(event.offsetX, event.offsetY));
    }
  }

  wheel(event) {
    const sideways = event.shiftKey ? event.deltaY || event.deltaX : event.deltaX;
    if (event.ctrlKey || event.metaKey) {
      // A pinch on a touchpad comes as a wheel with Ctrl.
      this.flame.zoomAt(event.offsetX, Math.exp(Math.min(60, Math.max(-60, event.deltaY)) / 150));
    } else if (Math.abs(sideways) > Math.abs(event.shiftKey ? 0 : event.deltaY)) {
      this.flame.pan(sideways);
    } else return; // the page scrolls
    event.preventDefault();
  }
}
