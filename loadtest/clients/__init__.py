"""Publishers, consumers and getters: the clients of a run, on connections that they lose and find again."""
