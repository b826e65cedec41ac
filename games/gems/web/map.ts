// The whole world in small: regions, what is in view, and where the player is.

import type { World } from "regionmesh";
import { ground, isDark, regionInk, water } from "./colours.js";
import { Kind } from "./gems.js";
import type { View } from "./view.js";

export function drawMap(canvas: HTMLCanvasElement, world: World, view: View): void {
  const context = canvas.getContext("2d");
  if (!context) return;
  const { width, height, cellSize, regions, viewRings } = world;
  const scale = (canvas.width - 8) / Math.max(width, height);
  context.setTransform(1, 0, 0, 1, 0, 0);
  context.fillStyle = water();
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.translate((canvas.width - width * scale) / 2, (canvas.height - height * scale) / 2);
  const columns = width / cellSize;
  const cell = cellSize * scale;
  const extents = new Map<number, { x: number; y: number; cells: number }>();
  regions.forEach((region, at) => {
    const [column, row] = [at % columns, Math.floor(at / columns)];
    context.fillStyle = ground(region);
    context.fillRect(column * cell, row * cell, cell + 0.6, cell + 0.6);
    const extent = extents.get(region) ?? { x: 0, y: 0, cells: 0 };
    extents.set(region, { x: extent.x + column + 0.5, y: extent.y + row + 0.5, cells: extent.cells + 1 });
  });
  context.strokeStyle = isDark() ? "rgba(255, 255, 255, 0.5)" : "rgba(255, 255, 255, 0.95)";
  context.lineWidth = 3;
  context.beginPath();
  regions.forEach((region, at) => {
    const [column, row] = [at % columns, Math.floor(at / columns)];
    if (column > 0 && regions[at - 1] !== region) {
      context.moveTo(column * cell, row * cell);
      context.lineTo(column * cell, (row + 1) * cell);
    }
    if (row > 0 && regions[at - columns] !== region) {
      context.moveTo(column * cell, row * cell);
      context.lineTo((column + 1) * cell, row * cell);
    }
  });
  context.stroke();
  context.font = "700 26px system-ui, sans-serif";
  context.textAlign = "center";
  context.textBaseline = "middle";
  for (const [region, { x, y, cells }] of extents) {
    context.fillStyle = regionInk(region);
    context.fillText(String(region), (x / cells) * cell, (y / cells) * cell);
  }
  const own = view.own;
  if (!own) return;
  // The view, as far as there is a world.
  const edge = (at: number, rings: number, most: number) =>
    Math.min(Math.max((Math.floor(at / cellSize) + rings) * cellSize, 0), most) * scale;
  const [west, north] = [edge(own.x, -viewRings, width), edge(own.y, -viewRings, height)];
  const [east, south] = [edge(own.x, viewRings + 1, width), edge(own.y, viewRings + 1, height)];
  context.strokeStyle = isDark() ? "rgba(255, 255, 255, 0.7)" : "rgba(30, 50, 50, 0.55)";
  context.lineWidth = 2;
  context.strokeRect(west, north, east - west, south - north);
  for (const { kind, x, y } of view.spots) {
    if (kind === Kind.player) dot(context, x * scale, y * scale, 4, isDark() ? "#cfd8d6" : "#3c4a48");
  }
  dot(context, own.x * scale, own.y * scale, 11, "rgba(255, 255, 255, 0.95)");
  dot(context, own.x * scale, own.y * scale, 7, "#e0554a");
}

function dot(context: CanvasRenderingContext2D, x: number, y: number, radius: number, colour: string): void {
  context.fillStyle = colour;
  context.beginPath();
  context.arc(x, y, radius, 0, 7);
  context.fill();
}
