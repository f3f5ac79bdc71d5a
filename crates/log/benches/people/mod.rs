//! People whose watches say every second where they are.
//!
//! It measures nothing.

/// Somebody whose watch says every second where he is: a key of 12 bytes and 39 bytes of Avro.
pub(crate) struct Person {
    value: [u8; 39],
    noise: u32,
}

impl Person {
    pub(crate) fn new(user: u32) -> Person {
        let mut value = [0; 39];
        value[..6].copy_from_slice(&[0, 0, 0, 0, 1, 24]);
        value[6..18].copy_from_slice(format!("user-{user:07}").as_bytes());
        value[18..21].copy_from_slice(&[0xa2, 0x9c, 0x01]);
        let mut person = Person { value, noise: user };
        person.move_on();
        person
    }

    pub(crate) fn key(&self) -> &[u8] {
        &self.value[6..18]
    }

    pub(crate) fn value(&self) -> &[u8] {
        &self.value
    }

    /// The next second.
    pub(crate) fn move_on(&mut self) {
        self.noise = self.noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let metres = f64::from(self.noise) / f64::from(u32::MAX) * 6.6;
        let latitude = 40.7 + metres / 111_320.0;
        self.value[21..29].copy_from_slice(&latitude.to_le_bytes());
        self.value[29..37].copy_from_slice(&(-74.0 - metres / 84_000.0).to_le_bytes());
        self.value[37..].copy_from_slice(&[0x90 | (self.noise >> 28) as u8 & 0xe, 0x01]);
    }
}
