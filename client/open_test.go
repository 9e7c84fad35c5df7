package client_test

func runAsModule() {}
