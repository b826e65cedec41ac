//! Regions, a simulated store and a made-up clock: what is said in which order, and what becomes of it.

mod asking;
mod asks;
mod bot;
mod crossing;
mod doubt;
mod gifts;
mod hostile;
mod inputs;
mod lanes;
mod limits;
mod making;
mod news;
mod panics;
mod publication;
mod rest;
mod roaming;
pub(super) mod scene;
mod sessions;
mod soft_saves;
mod speed;
mod storm;
mod teleports;
mod timers;
mod valuables;
mod versions;
mod view;
mod walking;
