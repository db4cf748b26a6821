//! gzip, zstd and bzip2 as streams of members, so that every byte decoded before a break is kept.
//!
//! The readers of the crates themselves drop what they decoded in the call that meets the break.

use std::io::{self, BufRead, Read};

use zstd::stream::raw::{InBuffer, Operation, OutBuffer};

use super::Meter;

/// One step of a codec.
pub(super) struct Step {
    pub consumed: usize,
    pub produced: usize,
    /// Whether the member ended with these bytes, or why it broke after them.
    pub ended: Result<bool, String>,
}

/// A format made of members, one after the other.
pub(super) trait Codec {
    /// The format's name in messages.
    const NAME: &'static str;
    /// How many bytes [`Codec::begins`] has to see.
    const MAGIC_LENGTH: usize;
    /// Whether another member begins here.
    fn begins(head: &[u8]) -> bool;
    /// Takes in some bytes and puts out some.
    fn step(&mut self, input: &[u8], output: &mut [u8]) -> Step;
    /// Makes ready for the next member.
    fn restart(&mut self) -> io::Result<()>;
}

/// The decoded bytes of all members.
pub(super) struct Unpacked<'i, 'r, C> {
    input: &'i mut super::Peek<'r>,
    codec: C,
    meter: Meter,
    place: Place,
    failure: Option<io::Error>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Start,
    Inside,
    Between,
    End,
}

impl<'i, 'r, C: Codec> Unpacked<'i, 'r, C> {
    pub fn new(input: &'i mut super::Peek<'r>, codec: C, meter: Meter) -> Self {
        Self { input, codec, meter, place: Place::Start, failure: None }
    }

    /// Moves to the next member, past padding of zeros; anything else that follows is an error.
    fn next_member(&mut self) -> io::Result<()> {
        loop {
            let zeros = self.input.fill_buf()?.iter().take_while(|&&byte| byte == 0).count();
            if zeros == 0 {
                break;
            }
            self.input.consume(zeros);
        }
        let head = self.input.peek(C::MAGIC_LENGTH)?;
        if head.is_empty() {
            self.place = Place::End;
        } else if C::begins(head) {
            self.codec.restart()?;
            self.place = Place::Start;
        } else {
            self.place = Place::End;
            return Err(self.meter.broken(C::NAME, "the compressed data is followed by bytes that are not"));
        }
        Ok(())
    }
}

impl<C: Codec> Read for Unpacked<'_, '_, C> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if out.is_empty() {
            return Ok(0);
        }
        loop {
            if let Some(failure) = self.failure.take() {
                self.place = Place::End;
                return Err(failure);
            }
            match self.place {
                Place::End => return Ok(0),
                Place::Between => {
                    self.next_member()?;
                    continue;
                }
                Place::Start | Place::Inside => (),
            }
            let input = self.input.fill_buf()?;
            let at_end = input.is_empty();
            let step = self.codec.step(input, out);
            if step.consumed > 0 {
                self.place = Place::Inside;
            }
            self.input.consume(step.consumed);
            match step.ended {
                Ok(true) => self.place = Place::Between,
                Ok(false) if at_end && step.produced == 0 => {
                    self.failure = Some(self.meter.broken(C::NAME, "the data ends in the middle"));
                }
                Ok(false) => (),
                Err(message) => self.failure = Some(self.meter.broken(C::NAME, message)),
            }
            if step.produced > 0 {
                if let Err(bomb) = self.meter.add_decoded(step.produced) {
                    self.failure = Some(bomb);
                }
                return Ok(step.produced);
            }
        }
    }
}

/// gzip, its checksum verified at the end of each member.
pub(super) struct Gzip(flate2::Decompress);

impl Default for Gzip {
    fn default() -> Self {
        Self(flate2::Decompress::new_gzip(15))
    }
}

impl Codec for Gzip {
    const NAME: &'static str = "gzip";
    const MAGIC_LENGTH: usize = 2;

    fn begins(head: &[u8]) -> bool {
        head == b"\x1f\x8b"
    }

    fn step(&mut self, input: &[u8], output: &mut [u8]) -> Step {
        inflate(&mut self.0, input, output)
    }

    fn restart(&mut self) -> io::Result<()> {
        *self = Self::default();
        Ok(())
    }
}

/// One step of inflating, with what it put out even where it failed.
pub(super) fn inflate(state: &mut flate2::Decompress, input: &[u8], output: &mut [u8]) -> Step {
    let (read, written) = (state.total_in(), state.total_out());
    let result = state.decompress(input, output, flate2::FlushDecompress::None);
    let ended = match result {
        Ok(flate2::Status::StreamEnd) => Ok(true),
        Ok(flate2::Status::Ok | flate2::Status::BufError) => Ok(false),
        Err(error) => Err(error.message().unwrap_or("the data is corrupt").to_owned()),
    };
    let length = |now: u64, before: u64| usize::try_from(now - before).unwrap_or(usize::MAX);
    Step { consumed: length(state.total_in(), read), produced: length(state.total_out(), written), ended }
}

/// zstd with windows up to 128 MB, as the command line tool allows.
pub(super) struct Zstd {
    decoder: zstd::stream::raw::Decoder<'static>,
    /// How many bytes complete the next block. Given more, the library may lose a good block before a bad one.
    wanted: usize,
    /// The input is used up and the output was full: more may be held back.
    flushing: bool,
}

impl Zstd {
    pub fn new() -> io::Result<Self> {
        Ok(Self { decoder: zstd::stream::raw::Decoder::new()?, wanted: 5, flushing: false })
    }
}

impl Codec for Zstd {
    const NAME: &'static str = "zstd";
    const MAGIC_LENGTH: usize = 4;

    fn begins(head: &[u8]) -> bool {
        head == b"\x28\xb5\x2f\xfd" || head.len() == 4 && head[0] & 0xf0 == 0x50 && head[1..] == *b"\x2a\x4d\x18"
    }

    fn step(&mut self, input: &[u8], output: &mut [u8]) -> Step {
        let given = if self.flushing { 0 } else { input.len().min(self.wanted) };
        let capacity = output.len();
        let mut source = InBuffer::around(&input[..given]);
        let mut sink = OutBuffer::around(output);
        let result = self.decoder.run(&mut source, &mut sink);
        let (consumed, produced) = (source.pos(), sink.pos());
        let ended = match result {
            Ok(0) => Ok(true),
            Ok(wanted) => {
                self.wanted = wanted;
                self.flushing = produced == capacity;
                Ok(false)
            }
            Err(error) => Err(error.to_string().to_lowercase()),
        };
        Step { consumed, produced, ended }
    }

    fn restart(&mut self) -> io::Result<()> {
        self.wanted = 5;
        self.flushing = false;
        self.decoder.reinit()
    }
}

/// bzip2, one or several streams.
pub(super) struct Bzip2(bzip2::Decompress);

impl Default for Bzip2 {
    fn default() -> Self {
        Self(bzip2::Decompress::new(false))
    }
}

impl Codec for Bzip2 {
    const NAME: &'static str = "bzip2";
    const MAGIC_LENGTH: usize = 3;

    fn begins(head: &[u8]) -> bool {
        head == b"BZh"
    }

    fn step(&mut self, input: &[u8], output: &mut [u8]) -> Step {
        let (read, written) = (self.0.total_in(), self.0.total_out());
        let result = self.0.decompress(input, output);
        let ended = match result {
            Ok(bzip2::Status::StreamEnd) => Ok(true),
            Ok(
                bzip2::Status::Ok
                | bzip2::Status::FlushOk
                | bzip2::Status::RunOk
                | bzip2::Status::FinishOk
                | bzip2::Status::MemNeeded,
            ) => Ok(false),
            Err(error) => Err(error.to_string().trim_start_matches("bzip2: ").to_owned()),
        };
        let length = |now: u64, before: u64| usize::try_from(now - before).unwrap_or(usize::MAX);
        Step { consumed: length(self.0.total_in(), read), produced: length(self.0.total_out(), written), ended }
    }

    fn restart(&mut self) -> io::Result<()> {
        *self = Self::default();
        Ok(())
    }
}
