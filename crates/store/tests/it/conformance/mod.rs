//! Every promise of the traits, as functions of a database; run on SQLite and on PostgreSQL.

use sekimori_store::StoreError;

mod administrators;
mod approvals;
mod audit_index;
mod audit_search;
mod audit_sinks;
mod authenticators;
mod changes;
mod connectors;
mod devices;
mod dictionaries;
mod false_alarms;
mod groups;
mod identity_providers;
mod inspection;
mod kill_switches;
mod limits;
mod linked_accounts;
mod oauth;
mod opening;
mod people;
mod policies;
mod promotions;
mod retention;
mod reviews;
mod revocations;
mod saved_searches;
mod scim_tokens;
mod service_accounts;
mod sessions;
mod sign_ins;
mod tokens;

/// What collided, where something must have.
pub(crate) fn conflict<T: std::fmt::Debug>(result: Result<T, StoreError>) -> &'static str {
    match result {
        Err(StoreError::Conflict { what }) => what,
        other => panic!("no conflict: {other:?}"),
    }
}

/// What was missing, where something must have been.
pub(crate) fn missing<T: std::fmt::Debug>(result: Result<T, StoreError>) -> &'static str {
    match result {
        Err(StoreError::NotFound { what }) => what,
        other => panic!("nothing is missing: {other:?}"),
    }
}

/// Makes a test per database out of each function.
macro_rules! suite {
    ($($module:ident: $($test:ident),+;)+) => {
        $(mod $module {
            mod sqlite {
                $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $test() {
                    let database = crate::database::TestDatabase::sqlite();
                    crate::conformance::$module::$test(&database).await;
                    database.remove().await;
                })+
            }
            mod postgres {
                $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $test() {
                    let Some(database) = crate::database::TestDatabase::postgres().await else {
                        return;
                    };
                    crate::conformance::$module::$test(&database).await;
                    database.remove().await;
                })+
            }
        })+
    };
}

mod suite {
    suite! {
        administrators: tokens_are_found_by_digest, revoking_covers_all_tokens_of_a_name;
        approvals: reads_back_what_was_created, a_call_has_one_live_request, of_several_changes_one_wins,
            lists_narrow_and_pages_join, substitutes_are_named_and_ended, notices_are_told_or_given_up,
            tasks_are_changed_one_at_a_time;
        audit_index: nodes_are_followed, appending_twice_changes_nothing, rows_read_back_exactly,
            clearing_forgets_one_node_only, removed_records_are_forgotten, intents_stay_open_until_their_outcome,
            awkward_names_are_indexed, nodes_append_at_the_same_time, a_load_ends_in_the_same_index,
            removed_texts_are_forgotten;
        audit_search: every_filter_narrows, findings_are_searched_for_and_counted, filters_combine,
            text_finds_parts_of_japanese_words, text_finds_what_was_refused_and_agreed_to,
            pages_join_without_gap_over_equal_times, prefixes_are_literal,
            cursors_belong_to_their_query, limits_are_checked, endings_are_counted_by_part_of_the_time,
            values_are_counted_among_what_matches, decisions_classes_and_approvals_are_found;
        audit_sinks: cursors_are_kept_and_never_go_back;
        authenticators: reads_back_what_was_created, a_person_has_so_many_at_most, a_counter_only_grows,
            attempts_are_counted_in_a_window;
        changes: every_mutation_bumps_its_group, other_processes_are_noticed_within_a_second,
            failed_mutations_bump_nothing;
        connectors: reads_back_what_was_put, revisions_guard_against_lost_changes,
            concurrent_writers_have_one_winner, removing_takes_the_reviews_along,
            revisions_are_never_used_twice;
        devices: the_last_word_on_a_device_counts;
        oauth: clients_read_back_and_are_bounded, clients_and_keys_bump_and_nothing_else,
            authorizations_end_once_and_are_bounded, a_code_is_used_once_and_reuse_revokes,
            refresh_tokens_rotate_with_a_short_grace, late_and_ended_refresh_tokens_are_told_apart,
            parallel_refreshes_get_one_successor, grants_are_revoked_by_subject_client_and_session,
            consents_are_remembered_for_exactly_what_was_shown, what_is_single_use_is_seen_once,
            signing_keys_are_added_by_one_node, sweeping_takes_what_has_ended;
        identity_providers: reads_back_what_was_put, settings_count_once_they_are_confirmed;
        inspection: rules_are_numbered_and_the_last_activation_counts,
            labels_add_up_and_keep_their_first_source,
            conversations_are_listed_declassified_and_forgotten;
        kill_switches: reads_back_what_is_engaged_until_its_end, a_release_is_kept,
            nodes_confirm_once_and_wake_nobody, engaging_and_releasing_wake_everybody;
        limits: reads_back_what_was_put, tokens_run_out_and_come_back, concurrent_takers_share,
            slots_are_held_until_given_back_or_ended;
        linked_accounts: each_owner_has_one_account_at_a_connector, tokens_are_renewed_by_one_node,
            what_ends_is_told_of_and_forgotten, all_of_it_goes_with_the_connector;
        dictionaries: dictionaries_are_replaced_and_removed, there_are_only_so_many_dictionaries;
        false_alarms: reports_wait_until_one_person_decides, nobody_fills_the_queue_alone;
        groups: reads_back_what_was_created, displayed_names_are_unique_per_provider,
            renaming_keeps_the_name_for_policies, changes_tell_who_really_joined_and_left,
            members_are_there_and_of_the_same_provider, nested_groups_count_even_in_a_circle,
            deleted_people_leave_their_groups, every_filter_narrows, large_groups_are_stored_whole;
        opening: opening_again_changes_nothing, opening_at_the_same_time_migrates_once,
            a_newer_schema_is_refused, an_edited_migration_is_refused, a_closed_store_is_unavailable,
            corrupt_rows_are_named_without_their_content;
        people: reads_back_what_was_created, user_names_are_unique_without_regard_to_case,
            versions_guard_against_lost_changes, deleting_keeps_the_name_for_auditors,
            links_belong_to_one_person, every_filter_narrows, pages_join_without_gap,
            claimed_groups_are_those_of_the_last_sign_in;
        policies: versions_are_numbered_from_one, concurrent_writers_get_distinct_versions,
            steps_are_kept_and_one_version_is_tried,
            activation_needs_a_version, the_last_activation_counts;
        revocations: revocations_read_back_from_a_revision_on, a_revocation_is_never_moved_back,
            pruning_forgets_the_old_ones_only, too_much_or_unreadable_is_refused_as_a_whole,
            concurrent_revocations_are_all_seen;
        promotions: are_decided_once;
        retention: reads_back_what_was_ordered, of_two_steps_at_a_time_one_wins;
        reviews: reads_back_what_was_put, changed_definitions_are_told, unchanged_definitions_write_nothing,
            concurrent_sightings_tell_one_change, old_definitions_are_forgotten_but_the_reviewed;
        saved_searches: everybody_sees_their_own_and_what_is_shared,
            names_of_a_person_differ_and_are_so_many_at_most;
        scim_tokens: reads_back_what_was_created, a_token_counts_once_it_is_confirmed, two_are_valid_at_a_time, revoking_keeps_the_first_date,
            use_is_noted_to_the_minute;
        service_accounts: reads_back_what_was_created, an_account_can_get_another_owner, suspending_keeps_the_first_date,
            keys_come_with_their_account, use_is_noted_to_the_minute, null_characters_are_refused;
        sessions: reads_back_what_was_created, ended_sessions_are_not_listed_and_then_forgotten,
            renewing_changes_the_cookie_once, every_selector_revokes_its_own, use_is_noted_to_the_minute;
        tokens: tokens_are_found_in_their_scope_until_it_ends, keys_are_sealed_anew_once,
            many_who_open_a_scope_get_one_key, shredded_and_ended_scopes_are_gone;
        sign_ins: a_step_is_taken_once_and_in_time, of_several_takers_one_gets_it,
            something_is_new_once_in_its_space;
    }
}
