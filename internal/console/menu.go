package console

// Words that the console knows: one shows the menu, and one ends.
const (
	menuWord = "M"
	exitWord = "exit"
	killWord = "kill" // of the line protocol: ends the server
	// returnWord is the command of the text protocol that has no answer.
	returnWord = "return"
)

const lineMenu = `Menu
  new ROOM...              make rooms
  rooms                    list the rooms
  join ROOM...             enter rooms, all of them or none
  leave ROOM...            leave rooms
  members ROOM             list who is in a room
  send ROOM... - MESSAGE   say something in rooms
  tell USER MESSAGE        say something to one user
  clients                  list who is here
  exit                     end
  kill                     shut the server down, if it permits
  M                        this menu`

const textMenu = `Menu
  A command is COMMAND,ARGUMENT,ARGUMENT... and spaces count. A comma inside an
  argument is written \, and a backslash \\. Lines that begin with * are not
  answers: others caused them. Words work too: /COMMAND WORD "TWO WORDS" is
  COMMAND,WORD,TWO WORDS.
  register,USER,PASSWORD   make an account
  login,USER,PASSWORD      speak as its user
  whoami                   which user this is
  send,USER,text,MESSAGE   say something to one user
  ask,USER,COMMAND         ask a user's program, or who sits there, for an answer
  return,N,ANSWER          answer what somebody asks, which is shown with its N
  nop                      nothing; it keeps the connection
  help                     the other commands, if the server has them
  exit                     end
  M                        this menu (req,1,M would go to the server)`
