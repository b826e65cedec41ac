//! Tests of more than one file, and the smallest game there is, for the others.

mod border_swarm;
pub(crate) mod toy;
