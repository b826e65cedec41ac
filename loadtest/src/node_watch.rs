//! Looks at the nodes' processes beside the run: one that does not answer delays no second of it.

use tokio::task::JoinHandle;

use crate::census::{NodeStatus, Observer};
use crate::nodes::{NodeUse, Nodes};

/// The nodes, and a look at them that is under way.
pub(crate) struct NodeWatch {
    observer: Observer,
    nodes: Nodes,
    asked: Option<JoinHandle<Vec<NodeStatus>>>,
    /// The next look is the one after a third of the run.
    is_third: bool,
}

impl NodeWatch {
    /// Counting begins with the first look, which is waited for.
    pub(crate) async fn begin(observer: &Observer) -> Self {
        let mut nodes = Nodes::default();
        nodes.look(&observer.look().await);
        Self {
            observer: observer.clone(),
            nodes,
            asked: None,
            is_third: false,
        }
    }

    /// Begins a look, unless one is under way.
    pub(crate) fn ask(&mut self) {
        let observer = self.observer.clone();
        self.asked
            .get_or_insert_with(|| tokio::spawn(async move { observer.look().await }));
    }

    /// A third of the run is over.
    pub(crate) fn third(&mut self) {
        self.is_third = true;
        self.ask();
    }

    /// Takes what has come of a look, if it is over.
    pub(crate) async fn take(&mut self) {
        if self.asked.as_ref().is_some_and(JoinHandle::is_finished) {
            self.wait().await;
        }
    }

    async fn wait(&mut self) {
        let Some(asked) = self.asked.take() else { return };
        if let Ok(seen) = asked.await {
            self.nodes.look(&seen);
            if std::mem::take(&mut self.is_third) {
                self.nodes.third();
            }
        }
    }

    /// Takes a last look.
    pub(crate) async fn finish(mut self) -> Vec<NodeUse> {
        self.wait().await;
        self.ask();
        self.wait().await;
        self.nodes.finish()
    }
}
