#!/bin/sh
# A module that takes polls in rooms: an example of the text protocol in plain sh.
#
#     poll,lobby,Tea or coffee?,tea,coffee    opens a poll
#     vote,lobby,1                            votes; once more changes it
#     result,lobby                            result,Tea or coffee?,tea,1,coffee,0
#
# Who opened a poll ends it by asking for its result. There is one in a room at a
# time; anybody may open another when it has ended, or is a day old.
#
# It needs dd, od, sed and the like. The line for modules.txt:
#
#     poll sh /path/to/poll.sh
#
# It needs no grant. With rights = ["rooms"] it also says in the room that a poll
# began, and how it ended. It keeps each poll in a directory of its own, named by
# the bytes of the room's name in hexadecimal digits: what came from somebody else
# is never a path, a pattern or a piece of shell.

LC_ALL=C # ${#text} counts bytes, and ? is one of them
export LC_ALL

# send FIELD... writes a message: a length of four bytes, a null byte, the fields.
send() {
	body= comma=
	for field; do
		body=$body$comma comma=,
		while part=${field%%[,\\]*}; [ "$part" != "$field" ]; do
			field=${field#"$part"}
			body=$body$part\\${field%"${field#?}"}
			field=${field#?}
		done
		body=$body$field
	done
	size=${#body}
	printf "$(printf '\\%03o' $((size >> 24)) $((size >> 16 & 255)) $((size >> 8 & 255)) $((size & 255)) 0)"
	printf %s "$body"
}

# receive waits for the data of a message, and fails at the end of the input.
receive() {
	set -- $(dd bs=1 count=5 2>/dev/null | od -An -tu1)
	[ $# -eq 5 ] || return 1
	size=$((($1 << 24) + ($2 << 16) + ($3 << 8) + $4))
	data=$(dd bs=1 count=$size 2>/dev/null; echo x) # without the x line breaks at its end were lost
	data=${data%x}
}

answer() { send return "$number" "$@"; }

refuse() { answer error nonfatal "$@"; }

# Without the grant the server forbids it: then nobody is told.
say() { send req say say "$@"; }

hex() { printf %s "$1" | od -An -v -tx1 | tr -d ' \n'; }

poll() { # room question choice...
	find . ! -name . -prune -type d -mtime +0 -exec rm -r {} + # in which nobody voted for a day
	if [ -d "$at" ] && [ ! -e "$at/ended" ] && [ "$(cat "$at/owner")" != "$caller" ]; then
		refuse poll_open "there is a poll already; $(cat "$at/owner") ends it by asking for its result"
		return
	elif [ ! -d "$at" ] && [ "$(ls | wc -l)" -ge 100 ]; then
		refuse too_many "there are 100 polls; wait until one is forgotten"
		return
	fi
	rm -rf "$at" && mkdir "$at" && : >"$at/votes" && printf %s "$caller" >"$at/owner" &&
		printf %s "$2" >"$at/question" || { refuse unavailable "the poll cannot be kept"; return; }
	room=$1 text="$caller asks: $2" choice=0
	shift 2
	for words; do
		choice=$((choice + 1)) text="$text $choice: $words"
		printf %s "$words" >"$at/choice$choice" || { refuse unavailable "the poll cannot be kept"; return; }
	done
	answer ok
	say "$room" "$text"
}

vote() { # room choice
	case $2 in [1-9] | 10) [ -e "$at/choice$2" ] ;; *) false ;; esac ||
		{ refuse choice_not_found "vote with the number of a choice"; return; }
	[ ! -e "$at/ended" ] || { refuse poll_ended "this poll has ended"; return; }
	voter=$(hex "$caller")
	[ "$(grep -vc "^$voter " "$at/votes")" -lt 1000 ] || { refuse too_many "1000 have voted"; return; }
	sed "/^$voter /d" "$at/votes" >"$at/new" && echo "$voter $2" >>"$at/new" && mv "$at/new" "$at/votes" ||
		{ refuse unavailable "the vote cannot be kept"; return; }
	answer ok
}

result() { # room
	room=$1 choice=1
	set -- "$(cat "$at/question")"
	text="the poll has ended: $1"
	while [ -e "$at/choice$choice" ]; do
		words=$(cat "$at/choice$choice") votes=$(grep -c " $choice\$" "$at/votes")
		set -- "$@" "$words" "$votes"
		text="$text $words: $votes" choice=$((choice + 1))
	done
	answer result "$@"
	if [ ! -e "$at/ended" ] && [ "$(cat "$at/owner")" = "$caller" ]; then
		: >"$at/ended"
		say "$room" "$text"
	fi
}

# call serves a call whose arguments it is given.
call() {
	at=$(hex "$1")
	case $command,$# in # the server counts the arguments, but not when we are asked
	poll,[4-9] | poll,1[0-2]) serve=poll ;;
	vote,2) serve=vote ;;
	result,1) serve=result ;;
	*) serve= ;;
	esac
	if [ -z "$serve" ] || [ -z "$at" ]; then
		refuse syntax "usage: poll,room,question,choice,choice... or vote,room,number or result,room"
	elif [ -z "$caller" ]; then
		refuse not_logged_in "log in first, or take a name"
	elif [ ${#at} -gt 240 ]; then
		refuse request_too_long "a room with a poll has a name of at most 120 bytes"
	elif [ $serve = poll ] || [ -d "$at" ]; then
		$serve "$@"
	else
		refuse poll_not_found "there is no poll in $1"
	fi
}

send req poll provide poll 4 12 "opens a poll in a room: poll,room,question,choice,choice..."
send req vote provide vote 2 2 "votes in the poll of a room: vote,room,number of the choice"
send req result provide result 1 1 "tells how a poll stands; who opened it ends it"
while receive; do
	if [ $size -gt 2000 ]; then # cutting it up would take too long
		case $data in call,*) number=${data#call,} number=${number%%,*}; refuse request_too_long "at most 2000 bytes" ;; esac
		continue
	fi
	set -- # the fields will be $1, $2 and so on
	field=
	while part=${data%%[,\\]*}; [ "$part" != "$data" ]; do
		data=${data#"$part"} field=$field$part
		case $data in
		,*) set -- "$@" "$field"; field= ;;
		*) data=${data#?} field=$field${data%"${data#?}"} ;;
		esac
		data=${data#?}
	done
	set -- "$@" "$field$data"
	case $1,${2-},${3-} in
	call,*) number=$2 command=$3 caller=$4; shift 4; call "$@" ;;
	req,say,* | req,*,ok) ;;
	req,*) echo "$2 is not provided: $*" >&2; exit 1 ;;
	esac
done
