//! A proxy of which nothing is heard: it is asked whether it is there, and then it is given up. Times are those in which
//! the driver ran.

use protocol::limits::{PROXY_ASKED_MS, PROXY_SILENCE_MS_MAX};

/// How long the proxy has been silent.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Silence {
    since_ms: u64,
    asked_ms: u64,
}

impl Silence {
    /// Something was heard.
    pub(super) fn broken(&mut self, awake_ms: u64) {
        self.since_ms = awake_ms;
    }

    /// Whether to ask now; once each second of silence.
    pub(super) fn asks(&mut self, awake_ms: u64) -> bool {
        let is_due = awake_ms.saturating_sub(self.since_ms.max(self.asked_ms)) >= PROXY_ASKED_MS;
        if is_due {
            self.asked_ms = awake_ms;
        }
        is_due
    }

    pub(super) fn is_too_long(&self, awake_ms: u64) -> bool {
        awake_ms.saturating_sub(self.since_ms) >= PROXY_SILENCE_MS_MAX
    }
}

#[cfg(test)]
mod tests {
    use crate::{Attachment, ClientEffect, Core, TICK_MS};
    use protocol::ids::AttachNo;
    use protocol::message::client;
    use protocol::message::family::ClientToProxy;

    struct Scene {
        core: Core,
        now_ms: u64,
        pings: usize,
    }

    impl Scene {
        fn attached() -> Self {
            let mut scene = Self {
                core: Core::default(),
                now_ms: 10_000,
                pings: 0,
            };
            scene.attach(1);
            scene
        }

        fn attach(&mut self, attach_no: u32) {
            let attachment = Attachment {
                attach_no: AttachNo(attach_no),
                signature: [0; 64],
                datagrams: None,
            };
            self.core.attached(attachment, self.now_ms);
        }

        /// The driver runs on; pings are counted.
        fn run(&mut self, ms: u64) {
            for _ in 0..ms / TICK_MS {
                self.now_ms += TICK_MS;
                self.core.tick(self.now_ms);
                let mut effects = Vec::new();
                self.core.take_effects(&mut effects);
                let is_ping =
                    |effect: &&ClientEffect| matches!(effect, ClientEffect::Stream(ClientToProxy::Ping(_)));
                self.pings += effects.iter().filter(is_ping).count();
            }
        }

        fn proxy_says(&mut self, message: client::Ping) {
            self.core.handle_message(message.into(), self.now_ms);
        }
    }

    // SI-1
    #[test]
    fn si_1_a_silent_proxy_is_asked_each_second_and_one_that_speaks_is_not() {
        let mut scene = Scene::attached();
        scene.run(2_950);
        assert_eq!(scene.pings, 2);
        for _ in 0..10 {
            scene.proxy_says(client::Ping::default());
            scene.run(900);
        }
        assert_eq!(scene.pings, 2);
        assert!(!scene.core.is_forsaken());
    }

    // SI-2
    #[test]
    fn si_2_a_proxy_that_says_nothing_for_three_seconds_is_given_up_and_the_next_one_has_as_long() {
        let mut scene = Scene::attached();
        for _ in 0..3 {
            scene.run(2_000);
            scene.proxy_says(client::Ping::default());
        }
        scene.run(2_800);
        assert!(!scene.core.is_forsaken());
        scene.run(300);
        assert!(scene.core.is_forsaken());
        scene.core.detached();
        scene.attach(2);
        scene.run(2_800);
        assert!(!scene.core.is_forsaken());
    }

    // SI-4
    #[test]
    fn si_4_what_the_client_slept_through_is_not_its_proxys_silence() {
        let mut scene = Scene::attached();
        scene.run(2_000);
        scene.now_ms += 3_600_000;
        scene.run(500);
        assert!(!scene.core.is_forsaken());
        scene.run(1_000);
        assert!(scene.core.is_forsaken());
    }
}
