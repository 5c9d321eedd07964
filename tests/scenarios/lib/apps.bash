# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2034,SC2154
# The applications of the scenarios, and their clients. Sourced by `scenario`.

ready() { # STATEFULSET
    kn rollout status "statefulset/$1" --timeout=90s >/dev/null ||
        fail "StatefulSet $1 is not ready: $(kn get pods)"
    [ "$1" != box ] || eventually 60 "an end of the old Pods" boxes_are_new
}

# Without a grace period a Pod is gone from the API before its containers are, and an exec by its
# name meets either: kubelets before 1.28 take one at random, so that they alone can tell when
# there is no other; newer ones take the new one as soon as there is one.
boxes_are_new() {
    local name uid pods
    pods=$(kn get pods -l app=box -o 'jsonpath={range .items[*]}{.metadata.name} {.metadata.uid}{"\n"}{end}')
    if [ "$KASSETTE_TEST_CLUSTER" = real ]; then
        [ "$(sort <<<"$pods")" = "$(running_boxes | sort)" ]
        return
    fi
    while read -r name uid; do
        # shellcheck disable=SC2016 # expanded there
        [ "$(kn exec "$name" -- sh -c 'echo $POD' </dev/null)" = "$uid" ] || return 1
    done <<<"$pods"
}

# What the kubelet runs, as "NAME UID".
running_boxes() {
    k get --raw "/api/v1/nodes/$(k get nodes -o 'jsonpath={.items[0].metadata.name}')/proxy/runningpods/" |
        jq -r --arg ns "$ns" '.items[].metadata | select(.namespace == $ns and (.name | test("^box-[0-9]+$"))) |
            "\(.name) \(.uid)"'
}

# A Pod without a database, on COUNT volumes (/v0, /v1, …), that writes on until a file /v0/frozen
# says that it must hold still.
start_box() { # COUNT
    local i mounts="" claims=""
    for ((i = 0; i < $1; i++)); do
        mounts="$mounts        - {name: v$i, mountPath: /v$i}"$'\n'
        claims="$claims  - {metadata: {name: v$i}, spec: {accessModes: [ReadWriteOnce], storageClassName: ${KASSETTE_TEST_CLASS:-dir}, resources: {requests: {storage: ${KASSETTE_TEST_SIZE:-10Mi}}}}}"$'\n'
    done
    kn apply -f - >/dev/null <<YAML
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: box, labels: {app: box}}
spec:
  serviceName: box
  replicas: ${box_replicas:-1}
  podManagementPolicy: Parallel
  selector: {matchLabels: {app: box}}
  template:
    metadata: {labels: {app: box}}
    spec:
      terminationGracePeriodSeconds: 0
      containers:
      - name: box
        image: ${KASSETTE_TEST_IMAGE:-kassette.test/busybox:1.35}
        imagePullPolicy: IfNotPresent
        command: [sh, -c, "trap exit TERM; i=0; while :; do [ -e /v0/frozen ] || { i=\$((i+1)); echo \$i > /v0/count; }; sleep 0.05; done"]
        env: [{name: POD, valueFrom: {fieldRef: {fieldPath: metadata.uid}}}]
        volumeMounts:
$mounts  volumeClaimTemplates:
$claims
YAML
    ready box
}

# The box accepts writes: its counter goes on.
box_writes() {
    local before
    kn exec box-0 -- test ! -e /v0/frozen || fail "the application is still frozen"
    before=$(kn exec box-0 -- cat /v0/count)
    eventually 60 "writes of the application" box_counts_beyond "${before:-0}"
}
box_counts_beyond() { [ "$(kn exec box-0 -- cat /v0/count)" -gt "$1" ]; }

# blueprint NAME: a folder of blueprints in $work/blueprints, with one for the box, from stdin.
blueprint() {
    mkdir -p "$work/blueprints/$1"
    cat >"$work/blueprints/$1/blueprint.lua"
}

# The blueprint that freezes the box; post_hook says so in /v0/thaws.
freezing_blueprint() {
    blueprint box <<'LUA'
return {
  name = "box",
  match = { kind = "StatefulSet", name = "^box$" },
  pre_hook = function(run, app)
    run:exec { pod = app:pod(), command = { "touch", "/v0/frozen" } }
  end,
  post_hook = function(run, app)
    run:exec { pod = app:pod(), command = { "sh", "-c", "rm -f /v0/frozen; echo x >> /v0/thaws" } }
  end,
}
LUA
}

# ---- PostgreSQL ----

start_postgres() { # NAME
    sed "s/\bdb\b/$1/g" "$root/tests/scenarios/apps/postgres.yaml" | kn apply -f - >/dev/null
    ready "$1"
}

pg() { # POD SQL
    kn exec "$1" -c postgres -- psql -XqAt -U postgres -v ON_ERROR_STOP=1 -c "$2"
}

# A stream of transactions of two rows each, until $work/stop is there; $work/acks gets the number
# of each one that was committed.
pg_writer() { # POD
    local i=0
    pg "$1" "CREATE TABLE a (id int PRIMARY KEY); CREATE TABLE b (id int PRIMARY KEY)"
    while [ ! -e "$work/stop" ]; do
        i=$((i + 1))
        printf 'BEGIN; INSERT INTO a VALUES (%d); INSERT INTO b VALUES (%d); COMMIT;\n\\echo %d\n' \
            "$i" "$i" "$i"
        sleep 0.003
    done | kn exec -i "$1" -c postgres -- psql -XqAt -U postgres -v ON_ERROR_STOP=1 >"$work/acks"
}

# ---- MariaDB ----

start_mariadb() { # NAME
    sed "s/\bmaria\b/$1/g" "$root/tests/scenarios/apps/mariadb.yaml" | kn apply -f - >/dev/null
    ready "$1"
}

my() { # POD SQL
    kn exec "$1" -c mariadb -- mariadb -u root -BN -e "$2"
}

# As pg_writer; each line of $work/acks is "number time" (seconds since 1970), of the moment when the
# server was asked after the commit: an answer may take any time to arrive here.
my_writer() { # POD
    local i=0
    my "$1" "CREATE DATABASE t; CREATE TABLE t.a (id INT PRIMARY KEY) ENGINE=InnoDB;
        CREATE TABLE t.b (id INT PRIMARY KEY) ENGINE=InnoDB"
    while [ ! -e "$work/stop" ]; do
        i=$((i + 1))
        printf 'BEGIN; INSERT INTO t.a VALUES (%d); INSERT INTO t.b VALUES (%d); COMMIT; SELECT %d, UNIX_TIMESTAMP(SYSDATE(6));\n' \
            "$i" "$i" "$i"
        sleep 0.003
    done | kn exec -i "$1" -c mariadb -- mariadb -u root -BN --unbuffered |
        sed -u 's/\t/ /' >"$work/acks"
}

# The last line may be half written.
acked() { tail -n 2 "$work/acks" | head -n 1 | cut -d' ' -f1; }
has_acks() { [ "$(wc -l <"$work/acks")" -ge "$1" ]; }

# restore_claims RUN FROM TO: for each snapshot of the run whose claim ends with -FROM-0, a claim
# of the same name but with TO.
restore_claims() {
    local snapshot claim size
    while read -r snapshot claim size; do
        kn apply -f - >/dev/null <<YAML
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: ${claim/-$2-0/-$3-0}, labels: {app: $3}}
spec:
  accessModes: [ReadWriteOnce]
  storageClassName: dir
  resources: {requests: {storage: "$size"}}
  dataSource: {apiGroup: snapshot.storage.k8s.io, kind: VolumeSnapshot, name: $snapshot}
YAML
    done < <(kn get volumesnapshots -l "kassette.io/run=$1" -o \
        'jsonpath={range .items[*]}{.metadata.name} {.spec.source.persistentVolumeClaimName} {.status.restoreSize}{"\n"}{end}' |
        grep -- "-$2-0 ")
}

# ---- Kassette in the cluster ----

git_options=() # of the Git server, for the next serve_blueprints

# A Git repository of the blueprints in this tree (or of $work/blueprints where that is there),
# served to Pods at $git_url; its commit is $git_commit.
serve_blueprints() {
    local from=$root/blueprints port
    [ ! -e "$work/blueprints" ] || from=$work/blueprints
    mkdir "$work/git"
    cp -r "$from" "$work/tree"
    git -C "$work/tree" init -q -b main
    git -C "$work/tree" add -A
    git -C "$work/tree" -c user.name=t -c user.email=t@localhost commit -q -m blueprints
    git clone -q --bare "$work/tree" "$work/git/blueprints.git"
    git_commit=$(git -C "$work/tree" rev-parse HEAD)
    "$root/tests/lib/git-http-server" --root "$work/git" --host "$KASSETTE_HOST_IP" \
        "${git_options[@]}" >"$work/git.port" &
    eventually 60 "the Git server" test -s "$work/git.port"
    read -r _ port <"$work/git.port"
    git_url=http://$KASSETTE_HOST_IP:$port/blueprints.git
}

# backup_job EXPECTED-STATUS ARG...: `kassette backup --in-cluster`, Runs in namespace kassette.
backup_job() {
    local expected=$1
    shift
    KASSETTE_NAMESPACE=kassette KASSETTE_IMAGE=kassette.test/kassette:dev \
        backup "$expected" --in-cluster --name "$ns" "$@"
}

# As backup_job, in the background.
backup_job_start() {
    KASSETTE_NAMESPACE=kassette KASSETTE_IMAGE=kassette.test/kassette:dev \
        backup_start --in-cluster --name "$ns" "$@"
}

job_run_field() { k -n kassette get run "$ns" -o "jsonpath=$1"; }

# The process of the engine in the Job's Pod, seen from here.
job_engine() { pgrep -f "^/usr/bin/kassette run .* $ns\$"; }

# The Run and its restore point, which is in the way of another Run of the name.
forget_job_run() {
    k -n kassette delete run "$ns" --ignore-not-found >/dev/null
    KASSETTE_NAMESPACE=kassette kassette delete point "$ns" -y >/dev/null 2>&1 || true
}
