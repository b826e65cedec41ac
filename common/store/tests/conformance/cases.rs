//! What every store is asked.

/// A test for each case, in the scene that this makes.
macro_rules! conformance {
    ($scene:path) => {
        crate::cases::conformance! { $scene;
            cluster:
                a_probe_is_answered_and_changes_nothing,
                starts_are_unique_and_grow,
                region_epochs_grow_with_each_service,
                a_late_request_to_serve_takes_no_region,
                the_newest_service_of_a_region_can_be_read,
                a_raised_generation_lifts_every_kind_of_epoch,
                sessions_and_guests_count_up,
                the_newest_topology_that_was_ever_noted_is_told,
                a_holder_is_told_with_the_starts_of_its_node,
                all_who_share_a_store_see_one_identity;
            guests:
                stale_guests_go_with_their_sessions_and_nobody_else,
                what_a_forgotten_guest_holds_lies_on_the_ground_and_the_sum_stays,
                portions_of_guests_and_of_holdings_are_bounded_and_end,
                sessions_of_guests_that_never_came_are_forgotten;
            ownership:
                a_player_is_inserted_once_and_only_by_who_serves_its_region,
                activation_needs_the_expected_epoch_the_current_service_and_no_newer_session,
                a_new_session_starts_its_numbers_again,
                a_crossing_commits_only_for_the_owner_at_its_epoch,
                a_crossing_to_a_service_that_has_ended_is_refused,
                a_group_crosses_together_or_not_at_all,
                a_reclaimed_epoch_can_never_be_given_away,
                a_region_that_is_no_more_has_no_players_and_nothing_lies_there,
                a_released_player_belongs_to_nobody_until_activated,
                a_rebind_never_goes_back_to_an_older_session;
            saves:
                who_does_not_own_cannot_save,
                saves_that_overtake_each_other_never_roll_back,
                one_bad_save_of_a_batch_hurts_no_other,
                what_breaks_a_limit_is_refused_alone;
            durable:
                a_commit_moves_row_and_holdings_together_or_not_at_all,
                a_dropped_holding_lies_on_the_ground_and_is_counted_there,
                a_repeated_commit_changes_nothing_and_is_answered_the_same,
                a_fenced_commit_moves_no_holding,
                a_gift_needs_giver_and_receiver,
                a_region_is_seeded_once,
                gems_are_conserved_under_random_commits;
            leases:
                a_lease_begins_with_a_start_and_counts_its_renewals,
                a_second_start_ends_the_lease_of_the_first,
                a_region_is_taken_with_its_players_and_the_lease_of_its_holder_ends,
                nothing_is_taken_from_who_shows_itself_or_by_who_has_lost_its_lease,
                a_holder_that_wakes_up_writes_nothing,
                whoever_wants_the_other_regions_of_a_dead_holder_may_take_them,
                a_new_start_takes_what_the_one_before_has_held,
                a_region_is_given_with_its_players,
                who_has_lost_its_lease_is_given_nothing,
                leases_outlive_a_raised_generation_and_epochs_begin_anew,
                requests_about_leases_go_with_others_in_one_batch;
            lease_races:
                of_two_takers_of_a_region_exactly_one_gets_it,
                of_two_who_take_from_each_other_exactly_one_does,
                a_holder_is_taken_from_or_has_shown_itself,
                a_start_and_a_takeover_of_the_one_before_never_both_count,
                a_crossing_out_of_a_region_is_over_before_it_is_taken_or_refused,
                who_crosses_into_a_region_is_taken_with_it_or_refused,
                a_commit_is_over_before_a_region_is_taken_or_fenced,
                who_is_activated_in_a_region_is_taken_with_it_or_refused,
                who_is_inserted_in_a_region_is_taken_with_it_or_refused,
                a_region_that_is_given_and_taken_at_once_changes_hands_once;
            races:
                of_two_servers_racing_for_a_player_exactly_one_wins,
                of_two_takers_of_a_gem_exactly_one_gets_it,
                of_two_services_that_begin_after_the_same_one_exactly_one_does,
                an_activation_and_a_crossing_never_both_get_a_player,
                a_crossing_and_its_reclaim_never_both_apply,
                a_commit_is_in_the_row_that_a_new_owner_gets_or_is_fenced,
                nobody_is_activated_under_a_service_that_another_one_has_followed,
                a_guest_comes_back_or_is_forgotten,
                a_gift_to_a_guest_who_is_forgotten_is_not_lost,
                a_user_that_comes_twice_at_once_gets_one_row,
                a_region_that_is_seeded_twice_at_once_has_its_holdings_once,
                no_number_is_given_twice,
                batches_that_cross_each_other_all_go_through,
                what_one_process_wrote_the_other_reads;
        }
    };
    ($scene:path; $($file:ident: $($case:ident),+;)+) => {
        $($(
            #[test]
            fn $case() {
                crate::$file::$case(&$scene());
            }
        )+)+
    };
}
pub(crate) use conformance;
