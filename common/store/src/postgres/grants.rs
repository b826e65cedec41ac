//! Which functions of a database which group may call; everything there belongs to a role that cannot log in. What a login may do with
//! the rows of others is decided by the functions themselves (`may_write`).

use tokio_postgres::Client;

use super::statements::{is, run};
use crate::StoreError;

/// Owns schema, tables and functions.
pub(super) const OWNER: &str = "regionmesh_owner";
pub(super) const GROUPS: &str =
    "regionmesh_gameserver, regionmesh_proxy, regionmesh_auth, regionmesh_operator";
/// What may be called, and by which groups. Everything else is called by these functions alone.
const CALLABLE: &[(&str, &str)] = &[
    ("hello", GROUPS),
    ("read_batch", GROUPS),
    ("read_holders", GROUPS),
    ("write_batch", GROUPS),
    ("lease_batch", NODES),
    ("read_creatures", "regionmesh_gameserver"),
    ("write_creatures", "regionmesh_gameserver"),
    ("note_topology", "regionmesh_gameserver"),
    ("read_sanctions", GROUPS),
    ("add_sanction", "regionmesh_operator"),
    ("create_account", ACCOUNTS),
    ("create_account_of", ACCOUNTS),
    ("read_account_of", ACCOUNTS),
    ("delete_own_account", ACCOUNTS),
    ("renew_verifier", ACCOUNTS),
    ("add_report", "regionmesh_gameserver"),
    ("read_reports", "regionmesh_operator"),
    ("close_report", "regionmesh_operator"),
    (
        "read_account",
        "regionmesh_proxy, regionmesh_auth, regionmesh_operator",
    ),
    ("set_password", ACCOUNTS),
    ("keep_device", ACCOUNTS),
    ("read_device", ACCOUNTS),
    ("allow_reset", "regionmesh_operator"),
    ("delete_account", "regionmesh_operator"),
    ("follow_timeline", GROUPS),
    ("node_is_held", GROUPS),
    ("claim", NODES),
    ("look", NODES),
    ("keep", NODES),
    ("hold_node", NODES),
    ("note_candidates", "regionmesh_operator"),
    ("report", "regionmesh_operator"),
    ("begin_anew", "regionmesh_operator"),
];
const NODES: &str = "regionmesh_gameserver, regionmesh_proxy, regionmesh_auth";
/// Who checks passwords.
const ACCOUNTS: &str = "regionmesh_proxy, regionmesh_auth";

/// Lets each group call what it may, and nobody anything else.
pub(super) async fn apply(client: &Client) -> Result<(), StoreError> {
    run(client, CLOSE).await?;
    for (function, groups) in CALLABLE {
        let open = format!(
            "ALTER FUNCTION regionmesh.{function} SECURITY DEFINER; GRANT EXECUTE ON FUNCTION regionmesh.{function} TO {groups}"
        );
        run(client, &open).await?;
    }
    Ok(())
}

/// Whether a database has been initialised, and this user may act as the owner of the store: then it does until the transaction ends.
pub(super) async fn become_owner(client: &Client) -> Result<bool, StoreError> {
    let may = format!(
        "SELECT EXISTS (SELECT FROM pg_roles r WHERE r.rolname = '{OWNER}' AND pg_has_role(r.oid, 'MEMBER')
             AND NOT EXISTS (SELECT FROM pg_namespace n WHERE n.nspname = 'regionmesh' AND n.nspowner <> r.oid)
             AND has_database_privilege(r.oid, current_database(), 'CREATE'))"
    );
    let is_owner = is(client, &may).await?;
    if is_owner {
        run(client, &format!("SET LOCAL ROLE {OWNER}")).await?;
    }
    Ok(is_owner)
}

const CLOSE: &str = "
    REVOKE ALL ON SCHEMA regionmesh FROM PUBLIC;
    GRANT USAGE ON SCHEMA regionmesh TO regionmesh_gameserver, regionmesh_proxy, regionmesh_auth, regionmesh_operator;
    REVOKE ALL ON ALL TABLES IN SCHEMA regionmesh FROM PUBLIC, regionmesh_gameserver, regionmesh_proxy, regionmesh_auth;
    GRANT SELECT ON ALL TABLES IN SCHEMA regionmesh TO regionmesh_operator;
    REVOKE ALL ON ALL FUNCTIONS IN SCHEMA regionmesh
        FROM PUBLIC, regionmesh_gameserver, regionmesh_proxy, regionmesh_auth, regionmesh_operator";
