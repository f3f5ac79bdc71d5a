//! What goes wrong in a simulation, and how often.

use crate::dice::Dice;

/// Odds, in a thousand, of every fault.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Faults {
    /// The process dies at a step of a transaction; elsewhere more seldom.
    pub(crate) crash: u64,
    /// A message does not arrive.
    pub(crate) lose: u64,
    /// The end of a transaction, or its answer, does not arrive.
    pub(crate) unknown: u64,
    /// The log asks to try again.
    pub(crate) busy: u64,
    /// A transaction is refused though its worker is the right one.
    pub(crate) fence: u64,
    /// A worker pauses in the middle of a transaction.
    pub(crate) doze: u64,
    /// An answer comes twice.
    pub(crate) repeat: u64,
    /// A message takes long.
    pub(crate) slow: u64,
    /// Something happens to a whole process or group, a second.
    pub(crate) upheaval: u64,
}

impl Faults {
    /// Some kinds of faults, each at some rate: a seed with few of them says more about each.
    pub(crate) fn draw(dice: &mut Dice) -> Faults {
        let mut rate = |most: u64| if dice.chance(600) { dice.below(most + 1) } else { 0 };
        Faults {
            crash: rate(12),
            lose: rate(60),
            unknown: rate(40),
            busy: rate(30),
            fence: rate(15),
            doze: rate(12),
            repeat: rate(200),
            slow: rate(120),
            upheaval: rate(500),
        }
    }

    /// Those that end nobody's life, and a network that is slow: whoever works to the end must not take waiting for it.
    pub(crate) fn that_pass(self) -> Faults {
        Faults {
            crash: 0,
            upheaval: 0,
            slow: self.slow.max(60),
            ..self
        }
    }
}
