//! Somebody who looks at the map: is sent each picture, the newest one where one was missed, and says nothing.

use std::sync::Arc;
use std::time::Duration;

use net::websocket::Form;
use tokio::sync::watch;
use tokio::time::{Instant, interval, timeout};

use super::{Arrived, Picture};
use crate::server::client_context::ClientContext;
use crate::server::message_line::{LineEnd, MessageLine};

/// Between two looks whether anybody is there.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How long a goodbye may take.
const CLOSE_TIME_MAX: Duration = Duration::from_millis(500);
/// Bytes of a message of somebody who has nothing to say.
const MESSAGE_BYTES_MAX: usize = 64;

/// Shows the map until the viewer is gone, or the proxy drains.
pub(super) async fn serve(context: Arc<ClientContext>, arrived: Arrived, pictures: watch::Receiver<Picture>) {
    let Arrived { io, came, place } = arrived;
    let _place = place;
    let Ok(mut line) = MessageLine::new(io, (Form::Text, MESSAGE_BYTES_MAX), came) else {
        return;
    };
    let shown = tokio::select! {
        () = context.drain.cancelled() => Ok(()),
        ended = show(&mut line, pictures) => ended,
    };
    match shown {
        Err(LineEnd::Gone) => return,
        Err(LineEnd::Slow | LineEnd::Silent) => context.refusals.count("map_slow"),
        Err(LineEnd::Broken(label)) => context.refusals.count(label),
        Ok(()) => {}
    }
    let _ = timeout(CLOSE_TIME_MAX, line.close(None)).await;
}

async fn show(line: &mut MessageLine, mut pictures: watch::Receiver<Picture>) -> Result<(), LineEnd> {
    let mut looking = interval(LOOK_EVERY);
    let mut shown = None;
    // The one that is there may be of long ago.
    pictures.mark_unchanged();
    loop {
        tokio::select! {
            // A viewer has nothing to say; what it says all the same is as good as a sign of life.
            said = line.next_message() => drop(said?),
            changed = pictures.changed() => {
                if changed.is_err() {
                    return Ok(());
                }
                let picture = pictures.borrow_and_update().clone();
                if shown != Some(picture.edition) {
                    line.say(&picture.world).await?;
                    shown = Some(picture.edition);
                }
                line.say(&picture.now).await?;
            }
            _ = looking.tick() => line.look_after(Instant::now()).await?,
        }
    }
}
