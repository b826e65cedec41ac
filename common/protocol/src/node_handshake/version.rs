//! Which versions this code speaks, and how two sides find one.

/// The highest version spoken, and the one offered.
pub const VERSION: u8 = 3;
/// The lowest version still spoken.
pub const VERSION_MIN: u8 = 3;

/// The highest version inside both ranges; `None` when there is none.
pub(super) fn common(theirs_min: u8, theirs: u8) -> Option<u8> {
    let version = theirs.min(VERSION);
    (version >= theirs_min.max(VERSION_MIN)).then_some(version)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nh_3_the_highest_common_version_is_found_or_none() {
        assert_eq!(common(3, 3), Some(3));
        assert_eq!(common(1, 9), Some(3));
        assert_eq!(common(0, 3), Some(3));
        assert_eq!(common(4, 9), None);
        assert_eq!(common(1, 1), None, "the frames of version 1 have another hmac");
        assert_eq!(common(2, 2), None, "version 2 does not say on which store");
        assert_eq!(common(0, 0), None);
        assert_eq!(common(4, 3), None);
    }
}
