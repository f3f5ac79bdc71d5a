//! One JSON object to the cells of a table.
//!
//! Fields that the table does not have are passed over. It does not read bytes; that is the scanner's.

use arrow::datatypes::Schema;

use super::scan::{self, Fault, Found};
use crate::rows::{Cell, fit};

/// Fills `cells`, one for every column.
pub(super) fn read<'a>(json: &'a [u8], columns: &Schema, cells: &mut [Option<Cell<'a>>]) -> Result<(), Fault> {
    // Objects name their fields in the same order line after line: look behind the last one first.
    let mut likely = 0;
    scan::object(json, |name, found| {
        let fields = columns.fields();
        let index = match fields.get(likely) {
            Some(field) if field.name() == name => Some(likely),
            _ => fields.iter().position(|field| field.name() == name),
        };
        let Some(index) = index else {
            return Ok(());
        };
        likely = index + 1;
        if cells[index].is_some() {
            return Err(format!("field {name:?} stands there twice"));
        }
        match found {
            Found::Cell(cell) => cells[index] = Some(fit(cell, &fields[index])?),
            Found::Nested => {
                return Err(format!(
                    "field {name:?} is a list or an object, which is no column's value"
                ));
            }
        }
        Ok(())
    })
}
