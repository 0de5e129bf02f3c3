//! The terminal in raw mode, and back again whatever happens.

use std::io::IsTerminal;

/// Whether standard input is a terminal.
pub fn is_terminal() -> bool {
    std::io::stdin().is_terminal()
}

/// Columns and rows of the terminal, if there is one.
pub fn size() -> Option<(u16, u16)> {
    os::size().filter(|(cols, rows)| *cols > 0 && *rows > 0)
}

/// Raw mode, for as long as the value lives.
pub struct Raw(());

impl Raw {
    /// Puts the terminal into raw mode: keys reach the guest one by one, unechoed, Ctrl-C and
    /// Ctrl-Z included. What is printed is still treated as usual, so that a kernel that ends
    /// its lines with a newline alone can be read.
    pub fn enter() -> std::io::Result<Self> {
        os::enter()?;
        Ok(Self(()))
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        leave();
    }
}

/// Restores the terminal, if it was changed. May be called at any time, by any thread.
pub fn leave() {
    os::leave();
}

/// Goes back into raw mode after [`leave`] or after another program had the terminal, if
/// [`Raw`] still lives.
pub fn again() {
    os::again();
}

#[cfg(unix)]
mod os {
    use std::io;
    use std::sync::{Mutex, PoisonError};

    use rustix::stdio::{stdin, stdout};
    use rustix::termios::{
        InputModes, LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr,
        tcgetwinsize, tcsetattr,
    };

    /// The terminal as it was, while it is changed.
    static BEFORE: Mutex<Option<Termios>> = Mutex::new(None);

    pub fn size() -> Option<(u16, u16)> {
        let size = tcgetwinsize(stdout()).or_else(|_| tcgetwinsize(stdin()));
        size.ok().map(|size| (size.ws_col, size.ws_row))
    }

    pub fn enter() -> io::Result<()> {
        let before = tcgetattr(stdin())?;
        change(&before)?;
        *BEFORE.lock().unwrap_or_else(PoisonError::into_inner) = Some(before);
        Ok(())
    }

    pub fn leave() {
        let before = BEFORE.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(before) = &*before {
            // Not after what is still to be shown: a terminal that takes nothing more would be
            // waited for, and how output is treated was never changed.
            let _ = tcsetattr(stdin(), OptionalActions::Now, before);
        }
    }

    pub fn again() {
        let before = BEFORE.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(before) = &*before {
            let _ = change(before);
        }
    }

    fn change(before: &Termios) -> io::Result<()> {
        let mut raw = before.clone();
        raw.input_modes -= InputModes::IGNBRK
            | InputModes::BRKINT
            | InputModes::PARMRK
            | InputModes::ISTRIP
            | InputModes::INLCR
            | InputModes::IGNCR
            | InputModes::ICRNL
            | InputModes::IXON;
        raw.local_modes -= LocalModes::ECHO
            | LocalModes::ECHONL
            | LocalModes::ICANON
            | LocalModes::IEXTEN
            | LocalModes::ISIG;
        raw.special_codes[SpecialCodeIndex::VMIN] = 1;
        raw.special_codes[SpecialCodeIndex::VTIME] = 0;
        Ok(tcsetattr(stdin(), OptionalActions::Now, &raw)?)
    }
}

/// Elsewhere lines are typed whole; nothing is changed, so nothing is to be restored.
#[cfg(not(unix))]
mod os {
    pub fn size() -> Option<(u16, u16)> {
        None
    }

    pub fn enter() -> std::io::Result<()> {
        Ok(())
    }

    pub fn leave() {}

    pub fn again() {}
}
