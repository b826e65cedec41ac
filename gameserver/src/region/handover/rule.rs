//! The rules of the handover that a region keeps, by name, so that a build with the feature `broken-rules` can leave one
//! out.

/// A rule that the region's own code keeps. The store's statements keep the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HandoverRule {
    /// R1: ownership changes only by the CAS on the row. Without: `Prepared` is enough.
    OwnershipByRow,
    /// R2: once the CAS is sent, the source never goes on because an answer is missing. Without: it does.
    NoResumeAfterCas,
    /// R3: a shadow never promotes itself. Without: it does when nothing was heard for a while.
    NoSelfPromotion,
    /// R4: a doubt burns the epoch. Without: the source goes on as soon as it reads that the player is still its own.
    BurnTheEpoch,
    /// R5: a CAS answered "no" is doubt. Without: the source goes on.
    NoIsDoubt,
    /// R6: attempt and version name what was prepared. Without: `Prepared` for a handover that was called off commits it.
    AttemptIsNamed,
    /// What the store has not said of the crossing of a creature is asked again. Without: it goes on here.
    CreatureIsInDoubt,
    /// A player is here at the epoch of its row. Without: at the one after.
    EpochIsTheRows,
    /// A durable command is acknowledged once it is stored. Without: once it is applied.
    ToldOnceStored,
    /// Who is hidden is in no cell that clients see. Without: it stays where it was.
    HiddenIsNotShown,
    /// R7: activation obeys the row that was read. Without: `Commit` activates, whatever the row says.
    ReadBeforeActive,
}
