//! Signals: those that end the program do so by way of the machine's loop, so that the terminal
//! is restored and files are closed; those that stop it give the terminal back meanwhile.

use std::sync::mpsc::Sender;
use std::time::Duration;

use super::input::Event;
use super::terminal;

/// What the machine's loop may take to come to an end when it is to.
pub const GRACE: Duration = Duration::from_secs(2);

/// Ends the process, whatever the loop is doing.
pub fn end(code: i32) -> ! {
    terminal::leave();
    std::process::exit(code)
}

/// Does something after a time, if the process still lives.
pub fn end_after(time: Duration, last: impl FnOnce() + Send + 'static) {
    let wait = move || {
        std::thread::sleep(time);
        last();
    };
    // Without the thread the loop is waited for, as long as it takes.
    let _ = std::thread::Builder::new()
        .name("end".to_owned())
        .spawn(wait);
}

/// Has a write beyond the limit on the size of files (`ulimit -f`) fail as any other write does; by
/// default the system ends the process, with the terminal as it is.
pub fn survive_limits() {
    #[cfg(unix)]
    {
        use signal_hook::consts::SIGXFSZ;
        // A flag that nobody looks at.
        let _ = signal_hook::flag::register(SIGXFSZ, std::sync::Arc::default());
    }
}

/// Listens in a thread of its own. `raw` says whether the terminal is in raw mode.
#[cfg(unix)]
pub fn start(events: Sender<Event>) -> std::io::Result<()> {
    use signal_hook::consts::{SIGCONT, SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGTSTP, SIGWINCH};
    use signal_hook::iterator::Signals;
    use signal_hook::low_level::emulate_default_handler;

    let list = [SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGTSTP, SIGCONT, SIGWINCH];
    let mut signals = Signals::new(list)?;
    let listen = move || {
        let mut ending = false;
        for signal in &mut signals {
            let event = match signal {
                SIGWINCH => Event::Resize,
                SIGTSTP => {
                    terminal::leave();
                    let _ = emulate_default_handler(SIGTSTP);
                    terminal::again();
                    Event::Resize
                }
                // After a stop that could not be caught, the shell has had the terminal.
                SIGCONT => {
                    terminal::again();
                    Event::Resize
                }
                _ if ending => {
                    // The loop did not come round: a file system that hangs, say.
                    end(128 + signal);
                }
                _ => {
                    ending = true;
                    // Or it never will: nobody reads our output any more, say.
                    end_after(GRACE, move || end(128 + signal));
                    Event::Signal(signal)
                }
            };
            // When nobody listens any more, the program is about to end by itself.
            let _ = events.send(event);
        }
    };
    std::thread::Builder::new()
        .name("signals".to_owned())
        .spawn(listen)?;
    Ok(())
}

/// Elsewhere the system's own treatment of signals stands.
#[cfg(not(unix))]
pub fn start(_: Sender<Event>) -> std::io::Result<()> {
    Ok(())
}
