//! Checks of the house: sizes, layers, licences, crate edges.
