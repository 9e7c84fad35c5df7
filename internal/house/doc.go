// Package house holds no code: its tests keep the house in order.
//
// They look at the repository as a whole and fail when
//
//  1. a package imports its own floor or a higher one, or stands in neither
//     floor table (the one in house_test.go and the one in
//     docs/architecture.md, which must agree);
//  2. a function has more than 100 lines, or a file more than 800;
//  3. a package or an exported name has no comment;
//  4. a file names a path of somebody's machine, or a test sleeps.
//
// Every check is a function from data to problems, and is itself tested on
// small inputs that break its rule.
package house
