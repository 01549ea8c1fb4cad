set -eu
PATH="$PWD/bin:$PATH"
work=$(mktemp -d)
trap 'kill $(jobs -p); wait' EXIT
csv=$PWD/examples/birdstrikes/birdstrikes.csv policy=$PWD/examples/two-parties/policy.yaml
cd "$work"

# the exchange, in any cloud
cordon exchange serve --home exchange --listen 127.0.0.1:7411 &
url=http://127.0.0.1:7411

# an owner, an analyst and an operator make their keys; owner and analyst start their agents
for p in delta institute cloud; do cordon party init --home $p --name $p --generate-passphrase $p.pass; done
for p in delta institute; do cordon party serve --home $p --exchange $url --passphrase-file $p.pass & done

# a host, and what it runs: owners pin both
cordon host serve --home cloud --passphrase-file cloud.pass --exchange $url --enclave "$(command -v cordon-enclave)" --perimeter strongest --json > host.json &
until [ -s host.json ]; do sleep 0.1; kill -0 $!; done
field() { sed -E "s/.*\"$1\":\"([^\"]*)\".*/\1/" host.json; }
sed "s/OPERATOR/$(field operator)/; s/BUILD/$(field build)/" "$policy" > policy.yaml

# the owner publishes, sealed
cordon dataset publish "$csv" --home delta --name strikes --policy policy.yaml --row-id report_id \
  --where-equals "Aircraft Airline Operator=DELTA AIR LINES" --column "Phase of flight=phase" --column "Cost Total $=cost_total"

# the analyst proposes a contract, the owner grants it
cordon contract propose --home institute --data delta.strikes --purpose safety --until 30d \
  --build "$(field build)" --operator "$(field operator)" --evidence simulated --perimeter "$(field form)" --json > contract.json
contract=$(sed -n 's/^  "digest": "\(.*\)",$/\1/p' contract.json)
cordon contract grant "$contract" --home delta

# and asks
job=$(cordon query run --home institute --contract "$contract" "SELECT phase, count(*) AS strikes, avg(cost_total) AS mean_cost FROM delta.strikes GROUP BY phase")
cordon result open "$job" --home institute
cordon receipt show "$job" --home institute
cordon ledger show --home delta
