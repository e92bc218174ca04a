//! How slots for trajectories are shared by batches that want some.

/// A batch as far as slots go.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Claim {
    /// Slots granted before.
    pub(crate) granted: u32,
    /// Attempts that run, whether or not they are still granted.
    pub(crate) running: u32,
    /// Trajectories that still need a slot, running ones included.
    pub(crate) remaining: u32,
}

impl Claim {
    /// Slots that nobody else may have.
    pub(crate) fn held(self) -> u32 {
        self.granted.min(self.remaining).max(self.running)
    }
}

/// Slots for each claim, together with what still runs at most `total`.
///
/// What was granted stays granted, since taking a slot away stops a training; what is free goes to those with the
/// fewest slots, the first of them where they are equal. Only if less than what is held is to be had, it is shared
/// anew by those that hold some. A claim that needs no more slots keeps its number, so that nothing is written for it.
pub(crate) fn share(total: u32, claims: &[Claim]) -> Vec<u32> {
    let held: u64 = claims.iter().map(|claim| u64::from(claim.held())).sum();
    let leaving: u32 = claims.iter().filter(|claim| claim.remaining == 0).map(|claim| claim.running).sum();
    let shrinking = held > u64::from(total);
    let start = |claim: &Claim| if shrinking { 0 } else { claim.granted.min(claim.remaining) };
    // While some must give slots back nobody gets more: whoever carries this out may be stopped half-way.
    let most = |claim: &Claim| if shrinking { claim.granted.min(claim.remaining) } else { claim.remaining };
    let mut slots: Vec<u32> = claims.iter().map(start).collect();
    let free = if shrinking { total.saturating_sub(leaving) } else { total - held as u32 };
    for _ in 0..free {
        let wanting = claims.iter().zip(&mut slots).filter(|(claim, slots)| **slots < most(claim));
        let Some((_, fewest)) = wanting.min_by_key(|(_, slots)| **slots) else { break };
        *fewest += 1;
    }
    let unchanged = |(claim, slots): (&Claim, u32)| if claim.remaining == 0 { claim.granted } else { slots };
    claims.iter().zip(slots).map(unchanged).collect()
}

/// `total` slots in equal parts, of which the first take the odd ones.
pub(crate) fn even(total: u32, parts: u32) -> impl Iterator<Item = u32> {
    (0..parts).map(move |part| total / parts + u32::from(part < total % parts))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn claim(granted: u32, running: u32, remaining: u32) -> Claim {
        Claim { granted, running, remaining }
    }

    #[test]
    fn free_slots_are_shared_equally_and_the_first_takes_the_odd_one() {
        assert_eq!(share(7, &[claim(0, 0, 16), claim(0, 0, 16), claim(0, 0, 16)]), [3, 2, 2]);
    }

    #[test]
    fn equal_parts_come_to_the_whole() {
        assert_eq!(even(7, 3).collect::<Vec<_>>(), [3, 2, 2]);
        assert_eq!(even(2, 3).collect::<Vec<_>>(), [1, 1, 0]);
    }

    #[test]
    fn nobody_gets_more_than_it_needs() {
        assert_eq!(share(8, &[claim(0, 0, 2), claim(0, 0, 16)]), [2, 6]);
        assert_eq!(share(100, &[claim(0, 0, 2), claim(0, 0, 3)]), [2, 3]);
    }

    #[test]
    fn a_newcomer_takes_nothing_away_from_what_runs() {
        assert_eq!(share(8, &[claim(8, 8, 12), claim(0, 0, 16)]), [8, 0]);
        assert_eq!(share(8, &[claim(8, 3, 3), claim(0, 0, 16)]), [3, 5]);
    }

    #[test]
    fn fewer_slots_than_are_held_are_shared_anew() {
        assert_eq!(share(4, &[claim(8, 8, 12), claim(8, 8, 16)]), [2, 2]);
        assert_eq!(share(0, &[claim(8, 8, 12)]), [0]);
        assert_eq!(share(4, &[claim(0, 0, 12), claim(8, 8, 16)]), [0, 4]);
    }

    #[test]
    fn what_is_on_its_way_out_still_holds_its_slot_and_its_number() {
        assert_eq!(share(8, &[claim(8, 3, 0), claim(0, 0, 16)]), [8, 5]);
    }

    proptest! {
        #[test]
        fn slots_never_pass_the_total_and_none_is_idle_while_wanted(
            total in 0_u32..40,
            claims in prop::collection::vec((0_u32..20, 0_u32..20, 0_u32..20), 0..6),
        ) {
            let claims: Vec<Claim> =
                claims.into_iter().map(|(granted, running, remaining)| claim(granted, running.min(granted), remaining)).collect();
            let slots = share(total, &claims);
            let active = || claims.iter().zip(&slots).filter(|(claim, _)| claim.remaining > 0);
            let granted: u32 = active().map(|(_, slots)| *slots).sum();
            let leaving: u32 = claims.iter().filter(|claim| claim.remaining == 0).map(|claim| claim.running).sum();
            prop_assert!(granted <= total);
            prop_assert!(active().all(|(claim, slots)| *slots <= claim.remaining));
            let held: u32 = claims.iter().map(|claim| claim.held()).sum();
            if held <= total {
                prop_assert!(active().all(|(claim, slots)| *slots >= claim.granted.min(claim.remaining)));
                prop_assert!(granted + leaving <= total);
            }
            let settled: Vec<Claim> =
                claims.iter().zip(&slots).map(|(claim, slots)| Claim { granted: *slots, running: claim.running.min(*slots), ..*claim }).collect();
            if leaving == 0 {
                let again = share(total, &settled);
                prop_assert_eq!(&again, &share(total, &settled.iter().zip(&again).map(|(c, s)| Claim { granted: *s, ..*c }).collect::<Vec<_>>()));
            }
        }
    }
}
