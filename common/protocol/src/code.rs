//! Result codes: one number for machines, one sentence for people, the same on every transport.

macro_rules! codes {
    ($($name:ident = $number:literal, $text:literal;)*) => {
        /// Why a peer says no, or goodbye.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Code {
            $(#[doc = $text] $name,)*
            /// A number this version does not know.
            Unknown(u8),
        }

        impl Code {
            /// Every code this version knows.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The number on the wire.
            #[must_use]
            pub const fn number(self) -> u8 {
                match self { $(Self::$name => $number,)* Self::Unknown(number) => number }
            }

            /// The code with this number.
            #[must_use]
            pub const fn from_number(number: u8) -> Self {
                match number { $($number => Self::$name,)* _ => Self::Unknown(number) }
            }

            /// A sentence for people.
            #[must_use]
            pub const fn text(self) -> &'static str {
                match self { $(Self::$name => $text,)* Self::Unknown(_) => "The peer gave a code this version does not know." }
            }
        }
    };
}

codes! {
    Ok = 0, "All is well.";
    Generic = 1, "Something went wrong.";
    Version = 2, "No protocol version is spoken by both sides.";
    Busy = 3, "Too busy just now; try again after the time given.";
    AuthFailed = 4, "The name or the password is wrong.";
    Banned = 5, "This account is banned.";
    Superseded = 6, "A newer login or attach took over this session.";
    TicketExpired = 7, "The ticket has expired; log in again.";
    TicketInvalid = 8, "The ticket is not valid; log in again.";
    Full = 9, "The server is full.";
    Kicked = 10, "Removed by an operator.";
    Draining = 11, "This proxy is shutting down; use another.";
    Protocol = 12, "The peer broke the protocol.";
    RateLimited = 13, "Too many requests; slow down.";
    WorldRecovering = 14, "This part of the world is being recovered; stay connected.";
    Maintenance = 15, "Closed for maintenance.";
    NameTaken = 16, "This name is taken.";
    NameIllegal = 17, "This name is not allowed.";
    PasswordTooWeak = 18, "This password is too weak.";
    TimedOut = 19, "Nothing was heard for too long; come back.";
    Elsewhere = 20, "Another proxy has more room; log in there.";
    Revoked = 32, "The node's certificate is revoked.";
    CertExpired = 33, "The node's certificate has expired.";
    NotInTopology = 34, "The node is not in the topology.";
    RoleDenied = 35, "The node's role does not allow this.";
    TopologyStale = 36, "The topology is too old.";
    StaleEpoch = 37, "The epoch is lower than one already seen.";
    OtherStore = 38, "The node works on another store.";
    DuplicateLink = 39, "A newer link between the same two nodes took over.";
    SlowConsumer = 40, "The consumer is too slow.";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_manual_names_every_code() {
        let manual = include_str!("../../../docs/protocol.md");
        for code in Code::ALL {
            let row = format!("| {} | `{code:?}` | {} |", code.number(), code.text());
            assert!(manual.contains(&row), "docs/protocol.md lacks {row}");
        }
    }

    #[test]
    fn numbers_map_back_to_their_codes_and_strangers_stay_strangers() {
        for &code in Code::ALL {
            assert_eq!(Code::from_number(code.number()), code);
        }
        assert_eq!(Code::from_number(200), Code::Unknown(200));
        assert_eq!(Code::WorldRecovering.number(), 14);
        assert_eq!(Code::SlowConsumer.number(), 40);
    }
}
