//! The program at a terminal: a pseudo terminal, with a test in the person's place.
#![cfg(unix)]

use std::fs::File;
use std::io::{Read, Write};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use rustix::fs::{Mode, OFlags};
use rustix::process::{Pid, Signal, kill_process};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{LocalModes, Termios, Winsize, tcgetattr, tcsetwinsize};

const PROMPT: &str = "virtarium:~# ";
/// What a step may take on a busy host: a boot is one.
const PATIENCE: Duration = Duration::from_secs(180);

/// A terminal and the program in it.
struct Terminal {
    child: Child,
    /// The person's side.
    master: File,
    /// The program's side, which keeps the settings when the program has gone.
    slave: File,
    before: Termios,
    output: Receiver<Vec<u8>>,
    /// What was printed and not looked at.
    printed: Vec<u8>,
}

impl Terminal {
    fn start(words: &[&str], size: (u16, u16)) -> Self {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        let name = ptsname(&master, Vec::new()).unwrap();
        let flags = OFlags::RDWR | OFlags::NOCTTY;
        let slave = File::from(rustix::fs::open(name, flags, Mode::empty()).unwrap());
        let master = File::from(master);
        set_size(&master, size);
        let before = tcgetattr(&slave).unwrap();
        let side = || Stdio::from(slave.try_clone().unwrap());
        let child = Command::new(env!("CARGO_BIN_EXE_virtarium"))
            .args(words)
            .stdin(side())
            .stdout(side())
            .stderr(side())
            .spawn()
            .unwrap();
        let (sender, output) = channel();
        let mut reader = master.try_clone().unwrap();
        std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(read @ 1..) = reader.read(&mut bytes) {
                if sender.send(bytes[..read].to_vec()).is_err() {
                    break;
                }
            }
        });
        Self {
            child,
            master,
            slave,
            before,
            output,
            printed: Vec::new(),
        }
    }

    fn send(&mut self, text: &str) {
        self.master.write_all(text.as_bytes()).unwrap();
    }

    /// Waits until `text` was printed.
    #[track_caller]
    fn expect(&mut self, text: &str) {
        let end = Instant::now() + PATIENCE;
        loop {
            let mut parts = self.printed.windows(text.len());
            if let Some(at) = parts.position(|part| part == text.as_bytes()) {
                self.printed.drain(..at + text.len());
                return;
            }
            let left = end.saturating_duration_since(Instant::now());
            match self.output.recv_timeout(left) {
                Ok(bytes) => self.printed.extend(bytes),
                Err(_) => panic!("no {text:?} in {}", String::from_utf8_lossy(&self.printed)),
            }
        }
    }

    /// Waits until the shell's terminal has this size; the driver sets it some time after it was
    /// told.
    #[track_caller]
    fn expect_size(&mut self, rows_and_cols: &str) {
        let until = format!("stty size | grep -q '^{rows_and_cols}$'");
        self.send(&format!(
            "until {until}; do sleep 0.1; done; echo a''s told\n"
        ));
        self.expect("as told");
        self.expect(PROMPT);
    }

    /// Gives the window another size, as a terminal does.
    fn resize(&self, size: (u16, u16)) {
        set_size(&self.master, size);
        kill_process(Pid::from_child(&self.child), Signal::WINCH).unwrap();
    }

    fn is_raw(&self) -> bool {
        let modes = tcgetattr(&self.slave).unwrap().local_modes;
        !modes.intersects(LocalModes::ICANON | LocalModes::ECHO | LocalModes::ISIG)
    }

    /// Waits for the program's end. The terminal must be as it was.
    #[track_caller]
    fn end(&mut self) -> ExitStatus {
        let end = Instant::now() + PATIENCE;
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            assert!(Instant::now() < end, "the program does not end");
            std::thread::sleep(Duration::from_millis(20));
        };
        let after = tcgetattr(&self.slave).unwrap();
        assert_eq!(after.local_modes, self.before.local_modes);
        assert_eq!(after.input_modes, self.before.input_modes);
        status
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn set_size(terminal: &File, (cols, rows): (u16, u16)) {
    let size = Winsize {
        ws_row: rows,
        ws_col: cols,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    tcsetwinsize(terminal, size).unwrap();
}

#[test]
fn guests_terminal_has_the_size_of_the_window_whatever_happens() {
    let words = "run --guest busybox --serial null --console stdio --append console=hvc0";
    let words: Vec<&str> = words.split(' ').collect();
    let mut terminal = Terminal::start(&words, (100, 40));
    terminal.expect(PROMPT);
    assert!(terminal.is_raw());
    terminal.expect_size("40 100");
    terminal.resize((132, 50));
    terminal.expect_size("50 132");
    // The machine that begins again has the size that the window has now.
    terminal.send("echo a''gain; reboot -f\n");
    terminal.expect("again");
    terminal.expect(PROMPT);
    terminal.expect_size("50 132");

    terminal.send("\x01h");
    terminal.expect("Ctrl-A X");
    terminal.send("\x01x");
    assert_eq!(terminal.end().code(), Some(0));
}

#[test]
fn terminal_is_given_back_after_a_signal() {
    let words = ["run", "--guest", "busybox", "--append", "quiet"];
    let mut terminal = Terminal::start(&words, (80, 24));
    terminal.expect(PROMPT);
    assert!(terminal.is_raw());
    kill_process(Pid::from_child(&terminal.child), Signal::TERM).unwrap();
    assert_eq!(terminal.end().code(), Some(128 + 15));
}
