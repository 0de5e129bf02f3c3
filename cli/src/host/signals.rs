//! Signals: those that end the program do so by way of the machine's loop, so that the terminal
//! is restored and files are closed; those that stop it give the terminal back meanwhile.

use std::sync::mpsc::Sender;

use super::input::Event;

/// Listens in a thread of its own. `raw` says whether the terminal is in raw mode.
#[cfg(unix)]
pub fn start(events: Sender<Event>) -> std::io::Result<()> {
    use signal_hook::consts::{SIGCONT, SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGTSTP, SIGWINCH};
    use signal_hook::iterator::Signals;
    use signal_hook::low_level::emulate_default_handler;

    use super::terminal;

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
                    terminal::leave();
                    std::process::exit(128 + signal);
                }
                _ => {
                    ending = true;
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
