//! The SQLite file of the audit index: unlike the database, it can be made anew from the journal.
//!
//! Filled from nothing, it is a fresh file that nobody else can open and that SQLite writes without any care for
//! crashes. A mark beside it tells so, locked by the process that fills it: who finds the mark without its lock begins
//! with an empty file.

use std::fs;
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::ArcSwapOption;
use async_trait::async_trait;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteLockingMode, SqliteSynchronous};

use crate::database::{Database, Dialect, Row, Statement, Transaction};
use crate::error::{Result, StoreError};
use crate::migration::SQLITE_INDEX;
use crate::sqlite::{CORRUPT, NOT_A_DATABASE, SqliteDatabase, SqliteDialect, code, options};

/// What the file of the audit index is called: as the database, with this instead of its extension.
const EXTENSION: &str = "index.db";
/// What its writer keeps in memory, in KiB (negative means that unit): with SQLite's 2 MiB most of its time goes into
/// pages that it has just put away.
const CACHE: &str = "-65536";
/// The same while it is filled: what an index is sorted with.
const LOADING_CACHE: &str = "-262144";
/// Bytes of its pages: records of some 800 bytes leave less of them empty than of SQLite's 4 KiB.
const PAGE_BYTES: u32 = 8_192;
/// Pages after which its log is written back: a page that changes often goes there once.
const CHECKPOINT: &str = "8192";
/// Rows that SQLite's thread may be ahead of their reader: with few, the two wait for each other again and again.
const ROWS_AHEAD: usize = 4_096;

/// The file of the audit index.
#[derive(Debug)]
pub(crate) struct IndexFile {
    path: PathBuf,
    damage: Damage,
    /// `None` while another process fills it.
    opened: ArcSwapOption<SqliteDatabase>,
    /// There while this process fills it.
    load: Mutex<Option<LoadMark>>,
    /// Whoever opens or exchanges the file.
    turn: tokio::sync::Mutex<()>,
}

impl IndexFile {
    /// Opens the index of the audit journal that lies beside the database at `path`.
    pub(crate) async fn open(path: &Path) -> Result<Self> {
        let path = path.with_extension(EXTENSION);
        let file = Self {
            damage: Damage::of_file(&path),
            path,
            opened: ArcSwapOption::empty(),
            load: Mutex::default(),
            turn: tokio::sync::Mutex::default(),
        };
        match file.opened().await {
            // A command has other things to do as well.
            Ok(_) | Err(StoreError::Loading) => Ok(file),
            Err(error) => Err(error),
        }
    }

    async fn opened(&self) -> Result<Arc<SqliteDatabase>> {
        if let Some(opened) = self.opened.load_full() {
            return Ok(opened);
        }
        let _turn = self.turn.lock().await;
        if let Some(opened) = self.opened.load_full() {
            return Ok(opened);
        }
        if LoadMark::exists(&self.path) {
            // Nobody holds it: the load was cut short.
            let mark = LoadMark::take(&self.path)?.ok_or(StoreError::Loading)?;
            remove(&self.path).map_err(unavailable)?;
            mark.remove()?;
        }
        self.open_to_search().await
    }

    /// A power loss may cost what was written last, which is read from the journal again.
    async fn open_to_search(&self) -> Result<Arc<SqliteDatabase>> {
        self.damage.set_aside_what_was_found()?;
        let reader = self.options();
        let writer = reader
            .clone()
            .journal_mode(SqliteJournalMode::Wal)
            .row_buffer_size(ROWS_AHEAD)
            .pragma("cache_size", CACHE)
            .pragma("wal_autocheckpoint", CHECKPOINT);
        let open = || self.open_with(writer.clone(), Some(reader.clone()));
        let opened = match open().await {
            Err(_) if self.damage.is_known() => {
                self.damage.set_aside_what_was_found()?;
                open().await
            }
            opened => opened,
        };
        Ok(self.keep(opened?))
    }

    /// Should this be cut short, the file is of no use: nothing is flushed, and nothing could be rolled back.
    async fn open_to_load(&self) -> Result<Arc<SqliteDatabase>> {
        let writer = self
            .options()
            .journal_mode(SqliteJournalMode::Memory)
            .locking_mode(SqliteLockingMode::Exclusive)
            .synchronous(SqliteSynchronous::Off)
            .row_buffer_size(ROWS_AHEAD)
            .pragma("cache_size", LOADING_CACHE)
            .pragma("threads", "2");
        Ok(self.keep(self.open_with(writer, None).await?))
    }

    fn options(&self) -> SqliteConnectOptions {
        options(&self.path)
            .synchronous(SqliteSynchronous::Normal)
            .page_size(PAGE_BYTES)
    }

    async fn open_with(
        &self,
        writer: SqliteConnectOptions,
        readers: Option<SqliteConnectOptions>,
    ) -> Result<SqliteDatabase> {
        let damage = self.damage.clone();
        SqliteDatabase::open_with(&self.path, writer, readers, SQLITE_INDEX, damage).await
    }

    fn keep(&self, opened: SqliteDatabase) -> Arc<SqliteDatabase> {
        let opened = Arc::new(opened);
        self.opened.store(Some(Arc::clone(&opened)));
        opened
    }

    fn load(&self) -> MutexGuard<'_, Option<LoadMark>> {
        self.load.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a fresh file; `false` if another process has the old one open.
    async fn make_anew(&self) -> Result<bool> {
        if let Some(opened) = self.opened.swap(None)
            && !opened.close_alone().await?
        {
            opened.close().await;
            return Ok(false);
        }
        remove(&self.path).map_err(unavailable)?;
        self.open_to_load().await?;
        Ok(true)
    }

    /// Makes what was loaded durable.
    async fn finish(&self) -> Result<()> {
        if let Some(opened) = self.opened.swap(None) {
            opened.close().await;
        }
        let path = self.path.clone();
        let synced = tokio::task::spawn_blocking(move || sync(&path)).await;
        synced
            .unwrap_or_else(|error| Err(io::Error::other(error)))
            .map_err(unavailable)
    }
}

#[async_trait]
impl Database for IndexFile {
    async fn query(&self, statement: Statement) -> Result<Vec<Row>> {
        self.opened().await?.query(statement).await
    }

    async fn begin(&self) -> Result<Box<dyn Transaction>> {
        self.opened().await?.begin().await
    }

    async fn changed(&self) {
        // Nothing in it has a revision.
        std::future::pending::<()>().await;
    }

    fn dialect(&self) -> &'static dyn Dialect {
        &SqliteDialect
    }

    async fn begin_load(&self) -> Result<bool> {
        let _turn = self.turn.lock().await;
        let had = self.load().take();
        let Some(mark) = had.map_or_else(|| LoadMark::take(&self.path), |mark| Ok(Some(mark)))?
        else {
            return Ok(false);
        };
        *self.load() = Some(mark);
        let is_anew = self.make_anew().await;
        if !matches!(is_anew, Ok(true)) {
            // After an error the mark stays, without its lock.
            let mark = self.load().take();
            if is_anew.is_ok() {
                mark.map_or(Ok(()), LoadMark::remove)?;
                self.open_to_search().await?;
            }
        }
        is_anew
    }

    async fn end_load(&self) -> Result<()> {
        let _turn = self.turn.lock().await;
        let Some(mark) = self.load().take() else {
            return Ok(());
        };
        self.finish().await?;
        mark.remove()?;
        self.open_to_search().await?;
        Ok(())
    }

    fn is_loading(&self) -> bool {
        self.load().is_some()
    }

    async fn close(&self) {
        if let Some(opened) = self.opened.load_full() {
            opened.close().await;
        }
        self.load().take();
    }
}

/// Tells that the file is being filled, as long as it is locked.
#[derive(Debug)]
struct LoadMark {
    path: PathBuf,
    /// Unlocked with its end.
    _lock: fs::File,
}

impl LoadMark {
    fn path(index: &Path) -> PathBuf {
        with_suffix(index, "-loading")
    }

    fn exists(index: &Path) -> bool {
        Self::path(index).exists()
    }

    /// `None` if another process has it.
    fn take(index: &Path) -> Result<Option<Self>> {
        let path = Self::path(index);
        let options = fs::OpenOptions::new()
            .create(true)
            .append(true)
            .mode(0o600)
            .open(&path);
        let file = options.map_err(unavailable)?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Self { path, _lock: file })),
            Err(fs::TryLockError::WouldBlock) => Ok(None),
            Err(fs::TryLockError::Error(error)) => Err(unavailable(error)),
        }
    }

    /// The file is whole, or gone.
    fn remove(self) -> Result<()> {
        fs::remove_file(&self.path).map_err(unavailable)
    }
}

fn unavailable(error: io::Error) -> StoreError {
    StoreError::Unavailable(Box::new(error))
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut beside = path.as_os_str().to_owned();
    beside.push(suffix);
    beside.into()
}

/// Removes the file and what SQLite has beside it.
fn remove(path: &Path) -> io::Result<()> {
    remove_beside(path)?;
    remove_if_there(path)
}

fn remove_beside(path: &Path) -> io::Result<()> {
    ["-wal", "-shm", "-journal"]
        .into_iter()
        .try_for_each(|suffix| remove_if_there(&with_suffix(path, suffix)))
}

fn remove_if_there(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Flushes the file and its name.
fn sync(path: &Path) -> io::Result<()> {
    fs::File::open(path)?.sync_all()?;
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    fs::File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}

/// Damage of a file that can be made anew: whoever meets it leaves a mark, and the next who opens the file begins with
/// an empty one. Other files have none to leave it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Damage(Option<Arc<Path>>);

impl Damage {
    fn of_file(path: &Path) -> Self {
        Self(Some(Arc::from(path)))
    }

    fn mark(&self) -> Option<PathBuf> {
        Some(with_suffix(self.0.as_ref()?, "-damaged"))
    }

    /// Whether somebody met it.
    fn is_known(&self) -> bool {
        self.mark().is_some_and(|mark| mark.exists())
    }

    /// Leaves the mark, if the error tells of damage.
    pub(crate) fn seen(&self, error: sqlx::Error) -> StoreError {
        if let (Some(CORRUPT | NOT_A_DATABASE), Some(mark)) = (code(&error), self.mark())
            && !mark.exists()
        {
            let marked = fs::write(mark, "").is_ok();
            tracing::error!(
                alert = true,
                marked,
                "the audit index is damaged: it is made anew from the journal at the next start"
            );
        }
        error.into()
    }

    /// Puts a damaged file out of the way, for whoever wants to know how that came.
    fn set_aside_what_was_found(&self) -> Result<()> {
        let (Some(path), Some(mark)) = (&self.0, self.mark()) else {
            return Ok(());
        };
        if !mark.exists() {
            return Ok(());
        }
        remove_beside(path).map_err(unavailable)?;
        // The mark goes last: what is interrupted here begins again.
        if path.exists() {
            fs::rename(path, path.with_extension("damaged")).map_err(unavailable)?;
        }
        fs::remove_file(mark).map_err(unavailable)
    }
}
