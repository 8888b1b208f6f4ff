# The server's parent, and the process that notices when nobody uses it.
#
# Standard input is the FIFO that every user holds open for writing. Each line
# on it is a user's question whether the watch is still on; the answer is a file
# of that name. At its end the last user is gone, killed or not.
#
# $1: the folder for answers. $2: the number of a server that runs already and
# has lost its watchdog, or 0. The rest: the server's command line.
answers=$1 server=$2
shift 2

watch() {
	while IFS= read -r word; do
		: >"$answers/answer.$word"
	done
	: >"$answers/stopping"
	kill -INT "$1"
}

if [ "$server" -ne 0 ]; then
	watch "$server"
	exit
fi

"$@" </dev/null &
server=$!
# The FIFO goes through descriptor 3: the input of a command in the background
# would be /dev/null.
exec 3<&0 </dev/null
watch "$server" <&3 3<&- &
watcher=$!
exec 3<&-
wait "$server"
status=$?
kill "$watcher" 2>/dev/null
exit "$status"
