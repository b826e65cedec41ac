//! New migrations are compiled in, so a changed folder must rebuild the crate.

fn main() {
    println!("cargo:rerun-if-changed=migrations");
}
