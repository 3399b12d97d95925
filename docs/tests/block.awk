# Prints the N-th code block of a language in a page: awk -v language=c -v n=1 -f block.awk page.md
$0 == "```" language { inside = ++count == n; next }
$0 == "```" { inside = 0 }
inside { print }
