//! The login of each node in a database, and the roles around it: made, renewed and taken away by whoever may make roles.

use protocol::ids::NodeNumber;
use tokio_postgres::Client;

use super::grants::{GROUPS, OWNER};
use super::link::Link;
use super::schema;
use super::statements::{is, run};
use super::{PostgresAddress, PostgresCause, PostgresError};
use crate::StoreError;

/// The oldest version of PostgreSQL that has what is used here.
const VERSION_MIN: i32 = 130_000;
/// What every connection of a login begins with. A call is one transaction: whoever sits in one has been stopped in the middle.
const SETTINGS: &[(&str, &str)] = &[
    ("idle_in_transaction_session_timeout", "1s"),
    ("lock_timeout", "3s"),
    ("tcp_keepalives_idle", "3"),
    ("tcp_keepalives_interval", "1"),
    ("tcp_keepalives_count", "3"),
    ("tcp_user_timeout", "4s"),
];

/// What a login is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoginKind {
    /// Simulates regions.
    GameServer,
    /// Lets players in, and issues their tickets.
    Proxy,
    /// Issues tickets alone.
    Auth,
}

/// The login of a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Login {
    /// Its name in the database.
    pub name: String,
    /// The node's number.
    pub node: NodeNumber,
    /// What it is for.
    pub kind: LoginKind,
}

impl Login {
    /// That of the node of this name.
    #[must_use]
    pub fn of(node_name: &str, node: NodeNumber, kind: LoginKind) -> Self {
        Self {
            name: Self::name_of(node_name),
            node,
            kind,
        }
    }

    /// What the login of a node is called.
    #[must_use]
    pub fn name_of(node_name: &str) -> String {
        format!("regionmesh-{node_name}")
    }
}

impl LoginKind {
    fn word(self) -> &'static str {
        match self {
            Self::GameServer => "gameserver",
            Self::Proxy => "proxy",
            Self::Auth => "auth",
        }
    }
}

/// Makes roles, tables and functions in a database, or brings them up to date, as whoever may make roles there; says from which
/// schema version to which. Blocks.
///
/// # Errors
/// `PostgresError`, also when nodes work on an older version; nothing was changed then.
pub fn init(address: &PostgresAddress) -> Result<(i64, i64), PostgresError> {
    alone(address, async |client| {
        schema::begin(client).await?;
        run(client, "RESET ROLE").await?;
        check(client).await?;
        run(client, MAKE_ROLES).await?;
        let found = schema::found(client).await?;
        if found > 0 {
            run(client, TAKE_OVER).await?;
        }
        run(client, &format!("SET LOCAL ROLE {OWNER}")).await?;
        Ok(schema::finish(client, found).await?)
    })
}

/// Gives a node its login, or a new password to the one it has. The password itself does not leave this process. Blocks.
///
/// # Errors
/// `PostgresError`; nothing was changed then.
pub fn grant(address: &PostgresAddress, login: &Login, password: &str) -> Result<(), PostgresError> {
    let verifier = postgres_protocol::password::scram_sha_256(password.as_bytes());
    alone(address, async |client| {
        run(client, "BEGIN").await?;
        is_initialised(client).await?;
        let (name, kind) = (quoted(&login.name), login.kind.word());
        run(client, &make_login(&login.name, &verifier)).await?;
        run(
            client,
            &format!("REVOKE {GROUPS} FROM {name}; GRANT regionmesh_{kind} TO {name}"),
        )
        .await?;
        for (setting, value) in SETTINGS {
            run(client, &format!("ALTER ROLE {name} SET {setting} = '{value}'")).await?;
        }
        let note = format!(
            "SET LOCAL ROLE {OWNER}; DELETE FROM regionmesh.login WHERE name = {0};
             INSERT INTO regionmesh.login (name, node, kind) VALUES ({0}, {1}, '{kind}'); COMMIT",
            literal(&login.name),
            login.node.0,
        );
        Ok(run(client, &note).await?)
    })
}

/// Takes the login of a node away and ends its connections; says whether it had one. Blocks.
///
/// # Errors
/// `PostgresError`; it may be that only its connections go on.
pub fn revoke(address: &PostgresAddress, name: &str) -> Result<bool, PostgresError> {
    alone(address, async |client| {
        is_initialised(client).await?;
        let (role, text) = (quoted(name), literal(name));
        let is_there = format!("SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = {text})");
        if !is(client, &is_there).await? {
            return Ok(false);
        }
        // First it can do nothing, then it is nobody.
        let end = format!(
            "BEGIN; SET LOCAL ROLE {OWNER}; DELETE FROM regionmesh.login WHERE name = {text}; RESET ROLE;
             ALTER ROLE {role} NOLOGIN; GRANT {role} TO CURRENT_USER; COMMIT"
        );
        run(client, &end).await?;
        run(
            client,
            &format!("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = {text}"),
        )
        .await?;
        run(client, &format!("DROP OWNED BY {role}; DROP ROLE {role}")).await?;
        Ok(true)
    })
}

const MAKE_ROLES: &str = "
    DO $$
    DECLARE
        role text;
    BEGIN
        FOREACH role IN ARRAY ARRAY['regionmesh_owner', 'regionmesh_gameserver', 'regionmesh_proxy', 'regionmesh_auth', 'regionmesh_operator']
        LOOP
            IF NOT EXISTS (SELECT FROM pg_roles r WHERE r.rolname = role) THEN
                EXECUTE format('CREATE ROLE %I NOLOGIN', role);
            END IF;
        END LOOP;
        EXECUTE format('GRANT CREATE, CONNECT ON DATABASE %I TO regionmesh_owner', current_database());
        IF NOT pg_has_role('regionmesh_owner', 'MEMBER') THEN
            GRANT regionmesh_owner TO CURRENT_USER;
        END IF;
    END $$";

/// A store that somebody else owned until now.
const TAKE_OVER: &str = "
    DO $$
    DECLARE
        what text;
    BEGIN
        ALTER SCHEMA regionmesh OWNER TO regionmesh_owner;
        FOR what IN
            SELECT format('%s regionmesh.%I', CASE c.relkind WHEN 'c' THEN 'TYPE' ELSE 'TABLE' END, c.relname)
                FROM pg_class c WHERE c.relnamespace = 'regionmesh'::regnamespace AND c.relkind IN ('c', 'r')
            UNION ALL SELECT format('FUNCTION %s', p.oid::regprocedure)
                FROM pg_proc p WHERE p.pronamespace = 'regionmesh'::regnamespace
        LOOP
            EXECUTE format('ALTER %s OWNER TO regionmesh_owner', what);
        END LOOP;
    END $$";

/// Says what is wrong with a server or a user before anything is changed.
async fn check(client: &Client) -> Result<(), StoreError> {
    let wrong = |what: &str| Err(StoreError::Unavailable(what.to_owned()));
    let version = format!("SELECT current_setting('server_version_num')::int4 >= {VERSION_MIN}");
    if !is(client, &version).await? {
        return wrong("its server is older than PostgreSQL 13; this program was tried with 15");
    }
    let encoding =
        "SELECT pg_encoding_to_char(encoding) = 'UTF8' FROM pg_database WHERE datname = current_database()";
    if !is(client, encoding).await? {
        return wrong(
            "its encoding is not UTF8: make it with `createdb --encoding=UTF8 --template=template0`",
        );
    }
    let may = "SELECT (rolsuper OR rolcreaterole) AND has_database_privilege(current_database(), 'CREATE WITH GRANT OPTION')
        FROM pg_roles WHERE rolname = current_user";
    if !is(client, may).await? {
        return wrong(
            "its user may not make roles there: name in the address one who owns the database and may (`ALTER ROLE … CREATEROLE`), or a superuser; nodes \
             do not need that",
        );
    }
    let strange = format!(
        "SELECT NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{OWNER}' AND (rolsuper OR rolcanlogin))"
    );
    if !is(client, &strange).await? {
        return wrong(
            "there is a role regionmesh_owner that can log in or is a superuser: it must be neither",
        );
    }
    Ok(())
}

async fn is_initialised(client: &Client) -> Result<(), StoreError> {
    let made = format!(
        "SELECT EXISTS (SELECT FROM pg_namespace n JOIN pg_roles r ON r.oid = n.nspowner WHERE n.nspname = 'regionmesh' AND r.rolname = '{OWNER}')"
    );
    match is(client, &made).await? {
        true => Ok(()),
        false => Err(StoreError::Unavailable(
            "it has no roles of its own yet: run `regionmesh store init --store ADDRESS` first".to_owned(),
        )),
    }
}

fn make_login(name: &str, verifier: &str) -> String {
    let role = quoted(name);
    format!(
        "DO $$ BEGIN
            IF NOT EXISTS (SELECT FROM pg_roles r WHERE r.rolname = {0}) THEN
                CREATE ROLE {role};
            END IF;
        END $$;
        ALTER ROLE {role} LOGIN CONNECTION LIMIT 16 PASSWORD {1}",
        literal(name),
        literal(verifier),
    )
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

fn alone<T>(
    address: &PostgresAddress,
    work: impl AsyncFnOnce(&Client) -> Result<T, PostgresCause>,
) -> Result<T, PostgresError> {
    let done = Link::alone(address, work).map_err(|error| PostgresError::new(address, error))?;
    done.map_err(|error| PostgresError::new(address, error))
}
