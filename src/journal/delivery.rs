//! How replies get from the writer to those who wait for them.
//!
//! To wake a task from another thread costs a system call, and where both share a processor, the thread that is woken
//! takes it, finds one reply, and gives it back: a switch to and fro for each client of a commit. So the replies of a
//! commit go to one task, with one wake-up; that task hands them out on the threads of the runtime, where waking others
//! costs next to nothing. What a client has allocated for its batch goes back the same way: memory that another thread
//! frees costs both of them more.

use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use super::Item;
use crate::reply::Reply;

/// The replies to a batch, and who waits for them.
#[derive(Debug)]
pub(super) struct Answered {
    pub(super) replies: Vec<Reply>,
    /// What was asked for, to be freed.
    pub(super) items: Vec<Item>,
    pub(super) to: oneshot::Sender<Vec<Reply>>,
}

/// The writer's end. It needs no bound: each batch that is answered has left the queue, which has one.
pub(super) type Outgoing = mpsc::UnboundedSender<Vec<Answered>>;

/// Starts the task that hands replies out. It ends when the writer's end is dropped and all are handed out.
pub(super) fn start() -> (Outgoing, JoinHandle<()>) {
    let (outgoing, mut incoming) = mpsc::unbounded_channel::<Vec<Answered>>();
    let task = tokio::spawn(async move {
        while let Some(answered) = incoming.recv().await {
            for Answered { replies, items, to } in answered {
                // The client may be gone; its changes stay.
                let _ = to.send(replies);
                drop(items);
            }
        }
    });
    (outgoing, task)
}
