# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# Rules about flows: what 1,024 of them with 100,000 networks cost to load and to ask (rules.c).
# Sourced by session.sh.
# shellcheck disable=SC2154 # variables of session.sh

part_rules() {
	local metric value
	"$B/tests/bench/rules" >"$work/rules" 2>"$work/err" || fail headrace "rules: status $?"
	while read -r metric value; do
		note "$metric" headrace "$value"
	done < <(jq -r '"\(.metric) \(.value)"' "$work/rules")
}
