//! Readings as the design has them: a key of at most six digits and 39 bytes of Avro, 59 bytes a record in the batch.
//!
//! It measures nothing.

use hw_log::batch::BatchBuilder;

/// Records of one batch.
pub(crate) const RECORDS: usize = 2_000;

/// Values whose bytes differ as those of real readings do: positions wander, the rest repeats.
pub(crate) fn readings() -> Vec<(String, Vec<u8>)> {
    let mut noise = 7u64;
    (0..RECORDS)
        .map(|index| {
            let user = (index * 37 % 20_000).to_string();
            let mut value = vec![0, 0, 0, 0, 1];
            value.push(user.len() as u8 * 2);
            value.extend_from_slice(user.as_bytes());
            value.extend_from_slice(&[0xa2, 0x9c, 0x01]);
            for degrees in [40.7f64, -74.0] {
                noise = noise
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1_442_695_040_888_963_407);
                value.extend_from_slice(&(degrees + (noise >> 40) as f64 * 1e-9).to_le_bytes());
            }
            value.extend_from_slice(&[0x98, 0x01]);
            value.resize(39, 0);
            (user, value)
        })
        .collect()
}

pub(crate) fn fill(builder: &mut BatchBuilder, readings: &[(String, Vec<u8>)]) {
    for (index, (key, value)) in readings.iter().enumerate() {
        builder.push(1_767_225_600_000 + index as i64, Some(key.as_bytes()), Some(value), &[]);
    }
}
