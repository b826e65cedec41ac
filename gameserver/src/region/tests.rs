//! Regions, a simulated store and a made-up clock: what is said in which order, and what becomes of it.
