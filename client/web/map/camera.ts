// Where one looks: the part of the world that fills the free part of the window, moved by hand, wheel and keys.

/** What cards cover at each side, CSS pixels. */
export interface Insets {
  top: number;
  right: number;
  bottom: number;
  left: number;
}

const CLOSEST = 40;

export class Camera {
  /** CSS pixels per unit, and where the world's origin is on the screen. */
  scale = 1;
  x = 0;
  y = 0;
  /** Nobody has moved it: it keeps showing everything. */
  isFitted = true;
  private least = 0.01;

  /** Shows all of a rectangle in what is free. */
  fit([west, north, east, south]: [number, number, number, number], width: number, height: number, insets: Insets): void {
    const [free, high] = [width - insets.left - insets.right, height - insets.top - insets.bottom];
    this.scale = Math.max(Math.min(free / (east - west), high / (south - north)), 1e-4);
    this.least = this.scale * 0.4;
    this.x = insets.left + (free - (east - west) * this.scale) / 2 - west * this.scale;
    this.y = insets.top + (high - (south - north) * this.scale) / 2 - north * this.scale;
    this.isFitted = true;
  }

  pan(dx: number, dy: number): void {
    this.x += dx;
    this.y += dy;
    this.isFitted = false;
  }

  /** So many times as large, around a point of the screen. */
  zoom(times: number, atX: number, atY: number): void {
    const next = Math.min(Math.max(this.scale * times, this.least), CLOSEST);
    const real = next / this.scale;
    this.x = atX - (atX - this.x) * real;
    this.y = atY - (atY - this.y) * real;
    this.scale = next;
    this.isFitted = false;
  }

  toScreen = (x: number, y: number): [number, number] => [this.x + x * this.scale, this.y + y * this.scale];
  toWorld = (x: number, y: number): [number, number] => [(x - this.x) / this.scale, (y - this.y) / this.scale];
}

/** Moves the camera by pointers, wheel and keys; `click` is told where nothing was moved. */
export function steer(canvas: HTMLCanvasElement, camera: Camera, fit: () => void, click: (x: number, y: number) => void): void {
  const held = new Map<number, { x: number; y: number }>();
  let moved = 0;

  canvas.addEventListener("pointerdown", (event) => {
    canvas.setPointerCapture(event.pointerId);
    if (held.size === 0) moved = 0;
    held.set(event.pointerId, { x: event.clientX, y: event.clientY });
  });
  canvas.addEventListener("pointermove", (event) => {
    const last = held.get(event.pointerId);
    if (!last) return;
    const [dx, dy] = [event.clientX - last.x, event.clientY - last.y];
    moved += Math.hypot(dx, dy);
    const other = [...held].find(([id]) => id !== event.pointerId)?.[1];
    if (other) {
      const before = Math.hypot(last.x - other.x, last.y - other.y);
      const after = Math.hypot(event.clientX - other.x, event.clientY - other.y);
      if (before > 0) camera.zoom(after / before, (event.clientX + other.x) / 2, (event.clientY + other.y) / 2);
      camera.pan(dx / 2, dy / 2);
    } else if (moved > 4) camera.pan(dx, dy);
    last.x = event.clientX;
    last.y = event.clientY;
  });
  const lift = (event: PointerEvent, isClick: boolean) => {
    if (!held.delete(event.pointerId)) return;
    if (isClick && held.size === 0 && moved <= 4) click(event.clientX, event.clientY);
  };
  canvas.addEventListener("pointerup", (event) => lift(event, true));
  canvas.addEventListener("pointercancel", (event) => lift(event, false));
  canvas.addEventListener(
    "wheel",
    (event) => {
      event.preventDefault();
      camera.zoom(Math.exp(-event.deltaY * (event.ctrlKey ? 0.01 : 0.0016)), event.clientX, event.clientY);
    },
    { passive: false },
  );
  canvas.addEventListener("dblclick", (event) => camera.zoom(1.8, event.clientX, event.clientY));
  canvas.addEventListener("keydown", (event) => {
    const [x, y] = [canvas.clientWidth / 2, canvas.clientHeight / 2];
    const keys: Record<string, () => void> = {
      ArrowLeft: () => camera.pan(60, 0),
      ArrowRight: () => camera.pan(-60, 0),
      ArrowUp: () => camera.pan(0, 60),
      ArrowDown: () => camera.pan(0, -60),
      "+": () => camera.zoom(1.3, x, y),
      "=": () => camera.zoom(1.3, x, y),
      "-": () => camera.zoom(1 / 1.3, x, y),
      "0": fit,
    };
    const act = event.ctrlKey || event.metaKey || event.altKey ? undefined : keys[event.key];
    if (!act) return;
    event.preventDefault();
    act();
  });
}
