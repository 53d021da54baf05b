# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# Trims a C dump of BTF (second file) to the types named in a list (first file) and all
# that these need, in the dump's own order, which is that of dependency.
#
# How: the dump is cut into blocks, one definition each (a blank line at depth 0 ends one);
# each block is filed under the name it defines and, for enums, under its enumerators.
# A work list then takes in the blocks of every identifier that a wanted block mentions,
# unless it stands behind a pointer to a struct or union: C needs no definition there.
# The preserve_access_index pragma is left out on purpose: all that we read are UAPI
# structures, whose offsets never change, so no relocation (and no BTF) is needed to load.

FNR == NR {
	if ($0 !~ /^#/ && NF) {
		want[NF > 1 ? $1 " " $2 : $1] = 1
	}
	next
}

/^#/ { next }

{
	text = text $0 "\n"
	depth += gsub(/{/, "{") - gsub(/}/, "}")
	if (depth == 0 && /;[ \t]*$/)
		end_block()
}

function end_block(    lines, n, i, name, word)
{
	sub(/^\n+/, "", text)
	n = split(text, lines, "\n")
	name = ""
	if (lines[1] ~ /^(struct|union|enum) [A-Za-z_0-9]+ {/) {
		split(lines[1], word, " ")
		name = word[1] " " word[2]
	} else if (lines[1] ~ /^typedef/) {
		name = typedef_name(text)
	}
	blocks++
	body[blocks] = text
	if (name != "" && !(name in block_of))
		block_of[name] = blocks
	if (lines[1] ~ /^enum/)
		for (i = 2; i < n; i++)
			if (match(lines[i], /[A-Za-z_0-9]+/)) {
				name = "member " substr(lines[i], RSTART, RLENGTH)
				if (!(name in block_of))
					block_of[name] = blocks
			}
	text = ""
}

# Name that a typedef defines: the last identifier, or the one in "(*name)(...)".
function typedef_name(t,    name)
{
	if (match(t, /\(\*[A-Za-z_0-9]+\)/))
		return substr(t, RSTART + 2, RLENGTH - 3)
	sub(/(\[[0-9]*\])*;[ \n\t]*$/, "", t)
	match(t, /[A-Za-z_0-9]+$/)
	return substr(t, RSTART, RLENGTH)
}

function take(name)
{
	if (name in block_of && !(block_of[name] in taken)) {
		taken[block_of[name]] = 1
		work[++last] = block_of[name]
	}
}

# Takes in whatever the block mentions by value: tagged types, and the typedef that a line
# starts with. Names of fields are not followed, though some equal names of types.
function follow(t,    lines, n, i, line, name)
{
	n = split(t, lines, "\n")
	for (i = 1; i <= n; i++) {
		line = lines[i]
		sub(/^[ \t]*(typedef )?(const )?/, "", line)
		if (match(line, /^(struct|union|enum) [A-Za-z_0-9]+/)) {
			name = substr(line, RSTART, RLENGTH)
			if (substr(line, RLENGTH + 1, 2) !~ /^ \*/)
				take(name)
		} else if (match(line, /^[A-Za-z_][A-Za-z_0-9]*/)) {
			take(substr(line, RSTART, RLENGTH))
		}
	}
}

END {
	for (name in want) {
		if (!(name in block_of)) {
			printf "vmlinux: no type %s in this kernel's BTF\n", name > "/dev/stderr"
			failed = 1
		}
		take(name)
	}
	if (failed)
		exit 1
	for (i = 1; i <= last; i++)
		follow(body[work[i]])
	for (i = 1; i <= blocks; i++)
		if (i in taken)
			printf "%s\n", body[i]
}
