package server_test

import "strings"

// hostile are strings that could become something else on the way from one door
// to another: an end of line, a frame, a command, an escape, a name.
var hostile = []string{
	// Ends of lines, and what one would put behind them.
	"\n", "\r", "\r\n", "\v", "\f", "\u0085", "\u2028", "\u2029", "\r\r", "\n\n\n", "\r\n\v\f\u0085\u2028\u2029",
	"hi\nbob whispers to you pay me", "hi\rbob whispers to you pay me", "hi\r\nbob whispers to you pay me",
	"hi\vbob whispers to you pay me", "hi\fbob whispers to you pay me", "hi\u0085bob whispers to you pay me",
	"hi\u2028bob whispers to you pay me", "hi\u2029bob whispers to you pay me",
	"hi\nbob says in room lobby yes", "hi\nYou tell bob hi", "hi\nNAMEERROR", "NAMEERROR\n", "hi\nVerified", "hi\nJoined lobby (ok)",
	"hi\nLeft lobby (ok)", "hi\nError: gone", "hi\nWelcome", "\nhi", "hi\n", "hi\r", " \n ", "\n \n", "a\nb\nc\nd\ne", "hi\x00\nbob",
	"\r\nQUIT :x\r\n:srv KILL bob :x", "hi\r\nQUIT :x\r\n:srv KILL bob", ":srv KILL bob :x\r\n", "PING :x\r\n", "\u2028\u2028hi\u2028\u2028",
	// What servers say.
	"bob whispers to you x", "alice says in room lobby hi", "You tell bob x", "NAMEERROR", "Verified", "Joined lobby (ok)", "Left lobby (ok)",
	"Welcome bob", "Error: x", "No active rooms", "Rooms lobby", "Members lobby bob", "Clients bob", "Created x (ok)",
	"ok", "user,bob", "error,fatal,unavailable,the server is shutting down", "error,nonfatal,syntax,x", "room,lobby,bob,1,2,hi",
	"send,bob,text,hi", "told,bob,alice,1,2,hi", "left,lobby,bob", "joined,lobby,bob", "deleted,lobby,bob", "topic,lobby,bob,hi", "req,1,ok", "req",
	// What clients say.
	"nop", "text", "kill ", "exit now", "- kill", "-", " - ", "a - b - c", "--", "@bob", "#lobby", "lobby,bob", "lobby bob", " lobby", "lobby ",
	":bob!b@h PRIVMSG #lobby :hi", ":srv 001 bob :Welcome", "PRIVMSG bob :\x01ACTION dies\x01", "\x01VERSION\x01", "@time=x :a!b@c JOIN #x", "JOIN #a,#b 0",
	"GET / HTTP/1.1\r\nHost: x\r\n\r\n", "POST /kill HTTP/1.1", "PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\n", "EHLO x",
	// Frames and fields.
	"\x00\x00\x00\x03\x00nop", "\x00\x00\x00\x00\x00", "\xff\xff\xff\xff", ",", ",,,,", `\`, `\\`, `\,`, `,\`, `a\`, `\n`, `a,b\,c\\,d`, `\\\\\\\,`, strings.Repeat(",", 300), strings.Repeat(`\`, 301),
	// Control characters and terminals.
	"\x00", "a\x00b", "\x1b[2J", "\x1b[31mred\x1b[0m", "\x1b]0;title\a", "\x1b]52;c;cm0gLXJm\a", "\x1b]8;;http://x\x1b\\x\x1b]8;;\x1b\\", "\x1bP$q\x1b\\", "\x1bc", "\x9b2J", "\u009b2J", "\u0090x\u009c",
	"\a", "\b\b\b\b", "bob\b\b\balice", "\x7f", "\t", "a\tb", "\x0e\x0f", "\x04", "\x1a", "\x11\x13", "\x01\x02\x03\x04\x05\x06\x07\x08", "\u0080\u0081\u009f",
	// What cannot be seen, and what turns around.
	"\ufeffhi", "\ufeff", "\u202Ehi\u202C", "\u2066hi\u2069", "\u200b", "a\u200bb", "\u200d\u200c", "\u2060", "\u00ad", "\U000e0001\U000e0041\U000e007f", "\u180e", "\ufff9a\ufffab\ufffb", "\ufffd", "\ufffe", "\U0010ffff",
	"a" + strings.Repeat("\u0301", 50), "е\u0301", "аlice", "ａｌｉｃｅ", "𝒶𝓁𝒾𝒸𝑒", "admin\u0000", "ＮＡＭＥＥＲＲＯＲ", "nameerror", "server", "Алиса", "李", "ß", "İ", "ﬁ", "🦊", "👩‍👩‍👧", "\u0600", "שלום", "1", "alice2", "a|b[c]{d}^`_-",
	// Other languages.
	`{"type":"say","room":"lobby"}`, `"`, `'`, `'; DROP TABLE messages; --`, `" OR 1=1 --`, "<script>alert(1)</script>", "<img src=x onerror=alert(1)>", "javascript:alert(1)", "&lt;&#10;&#x0a;", "%0a%0d%00", "%s%n%x%d", "%!s(MISSING)", "${jndi:ldap://x}", "$(kill 1)", "`kill`", "| kill", "../../etc/passwd", "con:", "{{.}}", "\\u000a\\n\\x0a", "=cmd|'/c'!A1",
	// What is not UTF-8.
	"\xff", "\xfe\xff", "hi\xff", "\xc0\x80", "\xc0\x8a", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xe2\x80", "a\x80b", "\xc3",
	// Sizes.
	"", " ", "   ", strings.Repeat("x", 390), strings.Repeat("x", 391), strings.Repeat("x", 1024), strings.Repeat("x", 1025), strings.Repeat("x", 4096), strings.Repeat("x", 4097), strings.Repeat("é", 2048), strings.Repeat("€", 1365) + "x",
	strings.Repeat("\u2028", 1365), strings.Repeat("a\n", 2048), strings.Repeat("a\r", 2048), strings.Repeat("\x1b", 4096), strings.Repeat("\x00", 1365), strings.Repeat(`\,`, 2048), strings.Repeat("👩", 1024), strings.Repeat("x", 20), strings.Repeat("x", 21), strings.Repeat("x", 50), strings.Repeat("x", 51),
}
