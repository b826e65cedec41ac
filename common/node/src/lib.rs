//! What every node process needs: configuration, telemetry, admin endpoint, life cycle.
