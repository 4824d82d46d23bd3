from musicavqa.cli import main

main()
