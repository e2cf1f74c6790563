//! A file system of its own, on which the power fails (it is shut down in the middle of writing, without flushing what
//! it has) or which is full (AUDIT-3, F04, F08).

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use sekimori_audit::verify;
use tempfile::{TempDir, tempdir};

use crate::fault::{try_append, wait_until_healthy};
use crate::kill::{is_whole, nothing_is_lost, victim_of};
use crate::kit::{Dice, append_all, open, options};

/// How often the power fails, unless the environment says otherwise.
const LOSSES: u64 = 5;
/// `EXT4_IOC_SHUTDOWN` without flushing the log of the file system, as Python says it.
const SHUT_DOWN: &str = "import fcntl, os, struct, sys
fcntl.ioctl(os.open(sys.argv[1], os.O_RDONLY), 0x8004587d, struct.pack('I', 2))";

fn losses() -> u64 {
    #[expect(
        clippy::disallowed_methods,
        reason = "`cargo xtask soak` asks for more"
    )]
    let told = std::env::var("SEKIMORI_SOAK_POWER");
    told.map_or(LOSSES, |told| told.parse().unwrap())
}

fn run(program: &str, args: &[&str]) -> Output {
    Command::new(program).args(args).output().unwrap()
}

fn done(program: &str, args: &[&str]) {
    let output = run(program, args);
    assert!(output.status.success(), "{program} {args:?}: {output:?}");
}

/// A file system of its own, on a file.
struct Disk {
    folder: TempDir,
}

impl Disk {
    /// `None`, loudly, where a file system can't be mounted: that takes root and loop devices.
    fn make(bytes: u64) -> Option<Self> {
        let folder = tempdir().unwrap();
        let disk = Self { folder };
        let image = disk.image();
        std::fs::File::create(&image)
            .unwrap()
            .set_len(bytes)
            .unwrap();
        std::fs::create_dir(disk.mounted()).unwrap();
        done("mkfs.ext4", &["-q", "-F", image.to_str().unwrap()]);
        if disk.mount().status.success() {
            return Some(disk);
        }
        #[expect(clippy::print_stderr, reason = "what was not tested must be seen")]
        {
            eprintln!("SKIPPED: power loss needs root and loop devices");
        }
        None
    }

    fn image(&self) -> PathBuf {
        self.folder.path().join("image")
    }

    fn mounted(&self) -> PathBuf {
        self.folder.path().join("mounted")
    }

    fn mount(&self) -> Output {
        let (image, mounted) = (self.image(), self.mounted());
        let paths = [image.to_str().unwrap(), mounted.to_str().unwrap()];
        run("mount", &["-o", "loop", paths[0], paths[1]])
    }

    /// What was not flushed is gone.
    fn lose_power(&self) {
        done(
            "python3",
            &["-c", SHUT_DOWN, self.mounted().to_str().unwrap()],
        );
    }

    fn restart(&self) {
        done("umount", &[self.mounted().to_str().unwrap()]);
        let mounted = self.mount();
        assert!(mounted.status.success(), "{mounted:?}");
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        drop(run("umount", &["-l", self.mounted().to_str().unwrap()]));
    }
}

fn data(disk: &Disk) -> PathBuf {
    disk.mounted().join("data")
}

/// The writer is stopped first: what it is told after the file system is gone was never true.
#[test]
fn power_loss_costs_no_acknowledged_record() {
    let Some(disk) = Disk::make(256 << 20) else {
        return;
    };
    std::fs::create_dir(data(&disk)).unwrap();
    sync(&data(&disk));
    let mut dice = Dice::new(7);
    for _ in 0..losses() {
        let count = usize::try_from(20 + dice.below(400)).unwrap();
        let acknowledged = victim_of(&data(&disk), count, |child| {
            done("kill", &["-STOP", &child.id().to_string()]);
            disk.lose_power();
            child.kill().unwrap();
        });
        disk.restart();
        nothing_is_lost(&data(&disk), &acknowledged);
    }
    is_whole(&data(&disk));
}

/// Nothing is acknowledged for which there is no room, and the journal goes on by itself when there is.
#[test]
fn a_file_system_that_is_full_refuses_and_goes_on() {
    let Some(disk) = Disk::make(16 << 20) else {
        return;
    };
    std::fs::create_dir(data(&disk)).unwrap();
    let journal_dir = data(&disk).join("journal");
    let (journal, _) = open(&journal_dir, options());
    append_all(&journal, 0..100);
    let ballast = disk.mounted().join("ballast");
    let mut file = std::fs::File::create(&ballast).unwrap();
    while file.write_all(&[1; 4_096]).is_ok() {}
    // What is left of the last block takes a few.
    let acknowledged = (100..10_000)
        .take_while(|number| try_append(&journal, *number).is_ok())
        .count();
    assert!(acknowledged < 9_900, "the disk was never full");
    assert!(!journal.writer().is_healthy());
    std::fs::remove_file(&ballast).unwrap();
    drop(file);
    wait_until_healthy(&journal.writer());
    try_append(&journal, 20_000).unwrap();
    journal.close();
    let report = verify(&journal_dir).unwrap();
    assert!(report.is_sound(), "{report:?}");
    let told = 101 + u64::try_from(acknowledged).unwrap();
    assert!(
        report.records >= told,
        "{report:?}: {told} were acknowledged"
    );
}

fn sync(path: &Path) {
    std::fs::File::open(path).unwrap().sync_all().unwrap();
}
