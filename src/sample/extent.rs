//! Width and height of a picture.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Width and height in pixels. In a pipeline file, `64` is a square and `[640, 480]` any other.
///
/// ```
/// use verismo::sample::Extent;
///
/// let extent: Extent = serde_json::from_str("[640, 480]")?;
/// assert_eq!(extent, Extent::new(640, 480));
/// assert_eq!(extent.area(), 307_200);
/// assert!(extent.check().is_ok() && Extent::square(4).check().is_err());
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Extent {
    /// Pixels from left to right.
    pub width: u32,
    /// Pixels from top to bottom.
    pub height: u32,
}

impl Extent {
    /// From pixels; unchecked, see [`Extent::check`].
    pub const fn new(width: u32, height: u32) -> Self {
        Extent { width, height }
    }

    /// A square.
    pub const fn square(side: u32) -> Self {
        Extent::new(side, side)
    }

    /// Whether pictures can have this size: from 8 to 4096 pixels each way.
    ///
    /// # Errors
    /// If they cannot; the message is about a setting `size`.
    pub fn check(self) -> Result<(), String> {
        if self.shorter() < 8 || self.longer() > 4096 {
            return Err("`size` must be between 8 and 4096, width and height alike".into());
        }
        Ok(())
    }

    /// So many times as wide and high.
    pub fn times(self, factor: u32) -> Self {
        Extent::new(self.width * factor, self.height * factor)
    }

    /// Number of pixels.
    pub fn area(self) -> usize {
        self.width as usize * self.height as usize
    }

    /// The shorter side in pixels.
    pub fn shorter(self) -> u32 {
        self.width.min(self.height)
    }

    /// The longer side in pixels.
    pub fn longer(self) -> u32 {
        self.width.max(self.height)
    }

    /// Both sides with their names.
    pub fn sides(self) -> [(&'static str, u32); 2] {
        [("width", self.width), ("height", self.height)]
    }

    /// Whether a point lies in the picture, its edges included.
    pub fn contains(self, [x, y]: [f64; 2]) -> bool {
        (0.0..=f64::from(self.width)).contains(&x) && (0.0..=f64::from(self.height)).contains(&y)
    }

    /// Width and height, in the form that the `image` crate uses.
    pub fn dimensions(self) -> (u32, u32) {
        (self.width, self.height)
    }
}

impl From<(u32, u32)> for Extent {
    fn from((width, height): (u32, u32)) -> Self {
        Extent { width, height }
    }
}

impl std::fmt::Display for Extent {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        write!(f, "{}×{}", self.width, self.height)
    }
}

impl Serialize for Extent {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        if self.width == self.height {
            to.serialize_u32(self.width)
        } else {
            [self.width, self.height].serialize(to)
        }
    }
}

impl<'de> Deserialize<'de> for Extent {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Sides;
        impl<'de> serde::de::Visitor<'de> for Sides {
            type Value = Extent;

            fn expecting(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
                f.write_str("a number of pixels, or [width, height]")
            }

            fn visit_i64<E: serde::de::Error>(self, side: i64) -> Result<Extent, E> {
                let wrong = |_| E::invalid_value(serde::de::Unexpected::Signed(side), &self);
                u32::try_from(side).map(Extent::square).map_err(wrong)
            }

            fn visit_u64<E: serde::de::Error>(self, side: u64) -> Result<Extent, E> {
                self.visit_i64(i64::try_from(side).unwrap_or(i64::MAX))
            }

            fn visit_seq<A: serde::de::SeqAccess<'de>>(
                self,
                mut seq: A,
            ) -> Result<Extent, A::Error> {
                let mut next = |place| {
                    let side = seq.next_element::<u32>()?;
                    side.ok_or_else(|| serde::de::Error::invalid_length(place, &Sides))
                };
                let extent = Extent::new(next(0)?, next(1)?);
                match seq.next_element::<u32>()? {
                    None => Ok(extent),
                    Some(_) => Err(serde::de::Error::invalid_length(3, &Sides)),
                }
            }
        }
        from.deserialize_any(Sides)
    }
}

impl JsonSchema for Extent {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Extent".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "Width and height in pixels: one number for a square, or [width, height].",
            "oneOf": [
                { "type": "integer", "minimum": 1 },
                { "type": "array", "items": { "type": "integer", "minimum": 1 }, "minItems": 2, "maxItems": 2 },
            ],
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Deserialize)]
    struct Config {
        size: Extent,
    }

    fn read(text: &str) -> Result<Extent, String> {
        let config: Result<Config, _> = toml::from_str(text);
        config.map(|c| c.size).map_err(|e| e.message().to_owned())
    }

    #[test]
    fn a_square_is_one_number_and_any_other_two() {
        assert_eq!(read("size = 64"), Ok(Extent::square(64)));
        assert_eq!(read("size = [640, 480]"), Ok(Extent::new(640, 480)));
        assert_eq!(serde_json::json!(Extent::square(64)), 64);
        let sides = serde_json::json!(Extent::new(640, 480));
        assert_eq!(sides, serde_json::json!([640, 480]));
        assert_eq!(
            serde_json::from_value::<Extent>(sides).unwrap(),
            Extent::new(640, 480)
        );
    }

    #[test]
    fn other_values_are_refused_in_words() {
        for text in [
            "size = \"64\"",
            "size = -1",
            "size = [1]",
            "size = [1, 2, 3]",
            "size = 6.5",
        ] {
            let problem = read(text).unwrap_err();
            assert!(problem.contains("[width, height]"), "{text}: {problem}");
        }
    }
}
