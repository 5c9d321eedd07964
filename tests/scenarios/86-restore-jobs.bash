# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2154
# Restores as Jobs in the cluster, under the account of deploy/restore.yaml.

# Points and Runs are where Jobs can be: the point $ns-point of the shop, and the Run $ns.
start_shop_of_jobs() {
    export KASSETTE_NAMESPACE=kassette KASSETTE_IMAGE=kassette.test/kassette:dev
    forget_restore_job
    start_shop
    does 0 backup "$ns" --name "$ns-point"
}

forget_restore_job() {
    k delete namespace "$ns-copy" --ignore-not-found >/dev/null
    k -n kassette delete run "$ns" --ignore-not-found >/dev/null
    kassette delete point "$ns-point" -y >/dev/null 2>&1 || true
    k -n kassette delete run "$ns-point" --ignore-not-found >/dev/null
}

job_pods() { k -n kassette get pods -l "job-name=$ns" -o "jsonpath=$1"; }

test_restore_job_beside_the_original() {
    start_shop_of_jobs
    does 0 restore "$ns-point" --in-cluster --name "$ns" --to-namespace "$ns-copy"
    equal "phase" "$(job_run_field '{.status.phase}')" Succeeded
    equal "the account" "$(job_pods '{.items[*].spec.serviceAccountName}')" kassette-restore
    data_is first "$ns-copy"
    shop_stands first
    does 0 logs "$ns"
    says "$work/out" "restore" "Succeeded"
    forget_restore_job
}

test_restore_job_in_place() {
    start_shop_of_jobs
    write_data second
    does 0 restore "$ns-point" --in-cluster --name "$ns" --only-data
    equal "phase" "$(job_run_field '{.status.phase}')" Succeeded
    shop_stands first
    forget_restore_job
}

# Its Pod is killed while it waits for volumes, and the next one of the Job finishes.
kill_restore_job() { # NAMESPACE
    eventually 60 "claims that wait" within "$1" claims_wait
    kill -9 "$(job_engine)"
    clear_faults
    engine_ends 0
    equal "phase" "$(job_run_field '{.status.phase}')" Succeeded
    [ "$(job_pods '{.items[*].metadata.name}' | wc -w)" = 2 ] ||
        fail "expected two Pods of the Job, found $(job_pods '{.items[*].metadata.name}')"
}
claims_wait() { kn get pvc -o 'jsonpath={.items[*].status.phase}' | grep -q Pending; }

test_restore_job_killed_beside_the_original() {
    start_shop_of_jobs
    set_faults neverProvisioned=true
    restore_start "$ns-point" --in-cluster --name "$ns" --to-namespace "$ns-copy"
    kill_restore_job "$ns-copy"
    data_is first "$ns-copy"
    shop_stands first
    forget_restore_job
}

test_restore_job_killed_in_place() {
    start_shop_of_jobs
    write_data second
    set_faults neverProvisioned=true
    restore_start "$ns-point" --in-cluster --name "$ns" --only-data
    kill_restore_job "$ns"
    shop_stands first
    forget_restore_job
}

# Somebody has made his Job of deploy/job.yaml, whose account is that of backups.
test_restore_job_with_the_account_of_backups() {
    start_shop_of_jobs
    write_data second
    sed -e "s/\bshop-1\b/$ns/" -e "s/action: backup/action: restore\n  restorePoint: $ns-point/" \
        -e "s/namespace: shop$/namespace: $ns/" -e "s,image: kassette:latest,image: $KASSETTE_IMAGE," \
        -e "s/^    namespace: $ns$/&\n  restore: {onlyData: true}/" \
        "$root/deploy/job.yaml" | k apply -f - >/dev/null
    eventually 60 "the end of the Run" run_has_failed
    job_run_field '{.status}' | tee "$work/out"
    says "$work/out" "StatefulSet/$ns/box" "not allowed to" "system:serviceaccount:kassette:kassette"
    shop_stands second
    forget_restore_job
}
run_has_failed() { [ "$(job_run_field '{.status.phase}')" = Failed ]; }

# What is in the way is told at once, and not by a Job without Pods.
# alone: other restores want the account.
test_restore_job_without_its_account() {
    start_shop_of_jobs
    k delete -f "$root/deploy/restore.yaml" >/dev/null
    does 1 restore "$ns-point" --in-cluster --name "$ns" --to-namespace "$ns-copy" ||
        { k apply -f "$root/deploy/restore.yaml" >/dev/null; exit 1; }
    k apply -f "$root/deploy/restore.yaml" >/dev/null
    says "$work/out" "ServiceAccount/kassette/kassette-restore" "hint:" deploy/restore.yaml
    equal "the Run" "$(k -n kassette get run "$ns" --ignore-not-found -o name)" ""
    forget_restore_job
}
