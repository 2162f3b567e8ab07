//! What a restart would find, without a process.

use std::path::Path;
use std::sync::Arc;

use revoked::journal::{OpenError, Opened, SyncPolicy};
use revoked::stats::Stats;
use revoked::store::Store;
use tokio::runtime;

/// The store that a data file leads to. The file is closed behind it, as at an orderly end.
pub(crate) fn replay(path: &Path) -> Result<Arc<Store>, OpenError> {
    let (store, stats) = (Arc::new(Store::default()), Arc::new(Stats::new(0)));
    let opened = Opened::open(path, SyncPolicy::Never)?;
    let runtime = runtime::Builder::new_current_thread().build().unwrap();
    let _entered = runtime.enter();
    let (journal, replay, finish) = opened.start(Arc::clone(&store), stats, Arc::default()).unwrap();
    runtime.block_on(replay.done())?;
    journal.close();
    runtime.block_on(finish.done());
    Ok(store)
}
