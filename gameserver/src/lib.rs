//! Game server: regions, cells, publication, handover, game logic.
