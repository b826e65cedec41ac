//! The swarm: thousands of bots, an oracle, a report.
