//! Who talks to whom: the certificate and the name of a database are checked before anything is said, and a password comes from a file.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::process::Command;

use store::StoreError;
use store::postgres::trial::TrialServer;
use store::postgres::{PostgresAddress, PostgresCause, PostgresStore};

/// A certificate for `localhost` that vouches for itself, with its key.
fn certificate(folder: &Path, name: &str) -> (PathBuf, PathBuf) {
    let (certificate, key) = (
        folder.join(format!("{name}.crt")),
        folder.join(format!("{name}.key")),
    );
    let made = Command::new("openssl")
        .args([
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:prime256v1",
            "-nodes",
        ])
        .args(["-days", "2", "-subj", &format!("/CN={name}")])
        .args(["-addext", "basicConstraints=critical,CA:FALSE"])
        .args(["-addext", "subjectAltName=DNS:localhost"])
        .arg("-keyout")
        .arg(&key)
        .arg("-out")
        .arg(&certificate)
        .output()
        .expect("openssl, which PostgreSQL's package brings along");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    (certificate, key)
}

/// Has the server speak TLS with this certificate.
fn speak_tls(server: &TrialServer, (certificate, key): &(PathBuf, PathBuf)) {
    let data = server.folder().join("data");
    let owner = fs::metadata(server.folder()).unwrap();
    for (from, to) in [(certificate, "server.crt"), (key, "server.key")] {
        let to = data.join(to);
        fs::copy(from, &to).unwrap();
        fs::set_permissions(&to, fs::Permissions::from_mode(0o600)).unwrap();
        chown(&to, Some(owner.uid()), Some(owner.gid())).unwrap();
    }
    server.say("world", "ALTER SYSTEM SET ssl = on").unwrap();
    server.control("restart").unwrap();
}

#[test]
fn only_the_certificate_that_is_trusted_for_the_name_that_was_dialed_opens_a_store() {
    let server = TrialServer::start(&["shared_buffers = '32MB'"]).unwrap();
    server.create("world").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let (ours, theirs) = (
        certificate(folder.path(), "ours"),
        certificate(folder.path(), "theirs"),
    );
    let open = |host: &str, root: &Path| {
        let url = format!(
            "postgres://postgres@{host}:{}/world?sslmode=verify-full&sslrootcert={}",
            server.port(),
            root.to_string_lossy()
        );
        PostgresStore::open(&PostgresAddress::parse(&url).unwrap())
    };
    let refused = |host: &str, root: &Path| match open(host, root) {
        Err(error) if matches!(error.cause, PostgresCause::Store(StoreError::Unavailable(_))) => {
            error.to_string()
        }
        other => panic!("{other:?}"),
    };
    let plain = refused("localhost", &ours.0);
    assert!(plain.contains("TLS"), "{plain}");
    speak_tls(&server, &ours);
    let store = open("localhost", &ours.0).unwrap();
    let secret = "SELECT bool_and(s.ssl) FROM pg_stat_ssl s JOIN pg_stat_activity a USING (pid) WHERE application_name = 'regionmesh' AND pid <> pg_backend_pid()";
    assert_eq!(server.say("world", secret).unwrap(), ["t"]);
    store.close();
    let other = refused("localhost", &theirs.0);
    assert!(other.contains("certificate"), "{other}");
    let name = refused("127.0.0.1", &ours.0);
    assert!(name.contains("certificate"), "{name}");
}

#[test]
fn a_password_from_a_file_opens_a_store_and_a_wrong_one_is_told_nowhere() {
    let server = TrialServer::start(&["shared_buffers = '32MB'"]).unwrap();
    let model = "CREATE ROLE ann LOGIN PASSWORD 'right-one'";
    server.say("postgres", model).unwrap();
    server.say("postgres", "CREATE DATABASE world OWNER ann").unwrap();
    let rules = "host all postgres 127.0.0.1/32 trust\nhost all all 127.0.0.1/32 scram-sha-256\n";
    fs::write(server.folder().join("data/pg_hba.conf"), rules).unwrap();
    server.control("reload").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let address = |password: &str| {
        let file = folder.path().join(password);
        fs::write(&file, format!("127.0.0.1:*:world:ann:{password}\n")).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
        let url = format!(
            "postgres://ann@127.0.0.1:{}/world?passfile={}",
            server.port(),
            file.to_string_lossy()
        );
        PostgresAddress::parse(&url).unwrap()
    };
    let refused = PostgresStore::migrate(&address("wrong-one")).unwrap_err();
    assert!(
        refused.to_string().contains("password authentication failed"),
        "{refused}"
    );
    assert!(!format!("{refused} {refused:?}").contains("wrong-one"));
    // Whoever owns a database can prepare it and work on it, without being anybody's superuser.
    let right = address("right-one");
    PostgresStore::migrate(&right).unwrap();
    PostgresStore::open(&right).unwrap().close();
    assert!(!format!("{right} {right:?}").contains("right-one"));
}
