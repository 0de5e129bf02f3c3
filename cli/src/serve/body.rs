//! Bodies of answers: bytes in memory, or a part of a file that is read as the client takes it.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use hyper::body::{Body, Bytes, Frame, SizeHint};
use tokio::fs::File;
use tokio::io::{AsyncRead, ReadBuf};

/// Bytes that are read of a file at a time.
const PIECE: usize = 128 << 10;

/// The body of an answer.
pub enum Answer {
    /// What is there already; none once it was taken.
    Bytes(Option<Bytes>),
    /// The rest of a file's part.
    File {
        /// The file, at the place of the next byte.
        file: File,
        /// Bytes that are left.
        left: u64,
    },
}

impl Answer {
    /// Bytes in memory.
    pub fn bytes(bytes: impl Into<Bytes>) -> Self {
        Self::Bytes(Some(bytes.into()))
    }

    /// Nothing.
    pub fn nothing() -> Self {
        Self::Bytes(None)
    }
}

impl Body for Answer {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        match self.get_mut() {
            Self::Bytes(bytes) => {
                let bytes = bytes.take().filter(|bytes| !bytes.is_empty());
                Poll::Ready(bytes.map(|bytes| Ok(Frame::data(bytes))))
            }
            Self::File { left: 0, .. } => Poll::Ready(None),
            Self::File { file, left } => {
                let len = PIECE.min(usize::try_from(*left).unwrap_or(PIECE));
                let mut piece = vec![0; len];
                let mut buffer = ReadBuf::new(&mut piece);
                let read = ready!(Pin::new(file).poll_read(context, &mut buffer));
                let len = buffer.filled().len();
                Poll::Ready(Some(match read {
                    Err(error) => Err(error),
                    // The file has become shorter: the client must see that something is missing.
                    Ok(()) if len == 0 => Err(io::ErrorKind::UnexpectedEof.into()),
                    Ok(()) => {
                        *left -= len as u64;
                        piece.truncate(len);
                        Ok(Frame::data(piece.into()))
                    }
                }))
            }
        }
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(match self {
            Self::Bytes(bytes) => bytes.as_ref().map_or(0, |bytes| bytes.len() as u64),
            Self::File { left, .. } => *left,
        })
    }
}
