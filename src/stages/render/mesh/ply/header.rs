//! The header of a PLY, and the numbers that follow it.

/// What a number is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    I8,
    U8,
    I16,
    U16,
    I32,
    U32,
    F32,
    F64,
}

impl Kind {
    fn parse(word: &str) -> Result<Self, String> {
        Ok(match word {
            "char" | "int8" => Kind::I8,
            "uchar" | "uint8" => Kind::U8,
            "short" | "int16" => Kind::I16,
            "ushort" | "uint16" => Kind::U16,
            "int" | "int32" => Kind::I32,
            "uint" | "uint32" => Kind::U32,
            "float" | "float32" => Kind::F32,
            "double" | "float64" => Kind::F64,
            _ => {
                return Err(format!(
                    "its header names numbers `{word}`, which no PLY has"
                ));
            }
        })
    }

    fn bytes(self) -> usize {
        match self {
            Kind::I8 | Kind::U8 => 1,
            Kind::I16 | Kind::U16 => 2,
            Kind::I32 | Kind::U32 | Kind::F32 => 4,
            Kind::F64 => 8,
        }
    }

    /// What stands for a whole share, such as full red.
    pub(super) fn greatest(self) -> f64 {
        match self {
            Kind::I8 => 127.0,
            // Wider types hold bytes all the same.
            Kind::U8 | Kind::I32 | Kind::U32 => 255.0,
            Kind::I16 => 32767.0,
            Kind::U16 => 65535.0,
            Kind::F32 | Kind::F64 => 1.0,
        }
    }
}

/// A number of each row of an element, or a list of numbers.
#[derive(Debug)]
pub(super) struct Property {
    pub name: String,
    pub kind: Kind,
    /// What the length of a list is.
    pub list: Option<Kind>,
}

/// A table of the file.
#[derive(Debug)]
pub(super) struct Element {
    pub name: String,
    pub count: usize,
    pub properties: Vec<Property>,
}

/// How numbers are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    Text,
    Little,
    Big,
}

/// What the file holds.
#[derive(Debug)]
pub(super) struct Header {
    pub order: Order,
    pub elements: Vec<Element>,
    /// The name of the picture on the model.
    pub texture: Option<String>,
}

/// Lines of a header.
const MOST_LINES: usize = 1000;

impl Header {
    /// The header, and what follows it.
    pub(super) fn parse(bytes: &[u8]) -> Result<(Self, &[u8]), String> {
        let mut header = Header {
            order: Order::Text,
            elements: Vec::new(),
            texture: None,
        };
        let mut rest = bytes;
        for _ in 0..MOST_LINES {
            let end = rest.iter().position(|&b| b == b'\n' || b == b'\r');
            let end = end.ok_or("its header has no end")?;
            let line = String::from_utf8_lossy(&rest[..end]);
            rest = match &rest[end..] {
                [b'\r', b'\n', after @ ..] | [_, after @ ..] => after,
                [] => &[],
            };
            if line.trim() == "end_header" {
                return Ok((header, rest));
            }
            header.line(&line)?;
        }
        Err("its header has no end".into())
    }

    fn line(&mut self, line: &str) -> Result<(), String> {
        let words: Vec<&str> = line.split_ascii_whitespace().collect();
        match words[..] {
            ["format", order, _] => {
                self.order = match order {
                    "ascii" => Order::Text,
                    "binary_little_endian" => Order::Little,
                    "binary_big_endian" => Order::Big,
                    _ => return Err(format!("is of the unknown format `{order}`")),
                }
            }
            ["comment", "TextureFile", _, ..] => {
                let name = line.split_once("TextureFile").map(|pair| pair.1.trim());
                self.texture = self.texture.take().or(name.map(str::to_owned));
            }
            ["element", name, count] => {
                let count = count.parse();
                let count = count.map_err(|_| format!("its header has a broken line `{line}`"))?;
                self.elements.push(Element {
                    name: name.to_owned(),
                    count,
                    properties: Vec::new(),
                });
            }
            ["property", "list", length, kind, name] => {
                let length = Kind::parse(length)?;
                self.add(name, Kind::parse(kind)?, Some(length))?;
            }
            ["property", kind, name] => self.add(name, Kind::parse(kind)?, None)?,
            ["ply" | "comment" | "obj_info", ..] | [] => {}
            _ => return Err(format!("its header has a broken line `{line}`")),
        }
        Ok(())
    }

    fn add(&mut self, name: &str, kind: Kind, list: Option<Kind>) -> Result<(), String> {
        let element = self.elements.last_mut();
        let element = element.ok_or("its header has a property before any element")?;
        element.properties.push(Property {
            name: name.to_owned(),
            kind,
            list,
        });
        Ok(())
    }
}

/// The numbers after the header, one after the other.
pub(super) struct Numbers<'a> {
    order: Order,
    rest: &'a [u8],
}

impl<'a> Numbers<'a> {
    pub(super) fn new(order: Order, rest: &'a [u8]) -> Self {
        Numbers { order, rest }
    }

    /// Checks that there is room for the rows of an element, before there is memory for them.
    pub(super) fn check_room(&self, element: &Element) -> Result<(), String> {
        let least = element.properties.iter().map(|property| {
            let kind = property.list.unwrap_or(property.kind);
            // A digit, and what comes between.
            if self.order == Order::Text {
                2
            } else {
                kind.bytes()
            }
        });
        let least: usize = least.sum();
        let needed = least.checked_mul(element.count);
        // The last number of a text needs nothing after it.
        if least == 0 && element.count > 0 || needed.is_none_or(|n| n > self.rest.len() + 1) {
            return Err(format!(
                "is cut off: it says {} of `{}`, for which {} bytes are too few",
                element.count,
                element.name,
                self.rest.len()
            ));
        }
        Ok(())
    }

    /// The next number, of this kind.
    pub(super) fn next(&mut self, kind: Kind) -> Result<f64, String> {
        if self.order == Order::Text {
            let start = self.rest.trim_ascii_start();
            let end = start.iter().position(u8::is_ascii_whitespace);
            let (word, rest) = start.split_at(end.unwrap_or(start.len()));
            self.rest = rest;
            if word.is_empty() {
                return Err("is cut off".into());
            }
            let number = std::str::from_utf8(word).ok().and_then(|w| w.parse().ok());
            return number
                .ok_or_else(|| format!("`{}` is not a number", String::from_utf8_lossy(word)));
        }
        let split = self.rest.split_at_checked(kind.bytes());
        let (bytes, rest) = split.ok_or("is cut off")?;
        self.rest = rest;
        let mut eight = [0; 8];
        for (i, &byte) in bytes.iter().enumerate() {
            let at = match self.order {
                Order::Big => bytes.len() - 1 - i,
                _ => i,
            };
            eight[at] = byte;
        }
        let word = u64::from_le_bytes(eight);
        Ok(match kind {
            Kind::I8 => f64::from((word as u8).cast_signed()),
            Kind::U8 => f64::from(word as u8),
            Kind::I16 => f64::from((word as u16).cast_signed()),
            Kind::U16 => f64::from(word as u16),
            Kind::I32 => f64::from((word as u32).cast_signed()),
            Kind::U32 => f64::from(word as u32),
            Kind::F32 => f64::from(f32::from_bits(word as u32)),
            Kind::F64 => f64::from_bits(word),
        })
    }

    /// The length of the list that comes next.
    fn length(&mut self, property: &Property) -> Result<usize, String> {
        let length = self.next(property.list.unwrap_or(Kind::U8))?;
        // A byte or, in text, a digit and a space is the least that a number takes.
        let most = self.rest.len() as f64;
        match (0.0..=most).contains(&length) && length.fract() == 0.0 {
            true => Ok(length as usize),
            false => Err(format!("has a list of {length}, and the file ends before")),
        }
    }

    /// The numbers of a list.
    pub(super) fn list(&mut self, property: &Property) -> Result<Vec<f64>, String> {
        let length = self.length(property)?;
        let mut found = Vec::with_capacity(length.min(16));
        for _ in 0..length {
            found.push(self.next(property.kind)?);
        }
        Ok(found)
    }

    /// Passes over a list.
    pub(super) fn skip_list(&mut self, property: &Property) -> Result<(), String> {
        for _ in 0..self.length(property)? {
            self.next(property.kind)?;
        }
        Ok(())
    }
}
