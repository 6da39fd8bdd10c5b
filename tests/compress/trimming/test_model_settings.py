from compress.trimming.model_settings import renumber, token_ids

NEW = {2: 0, 5: 1, 9: 2}


def test_ids_are_found_at_any_depth() -> None:
    settings = {"eos_token_id": [2, 5], "text_config": {"pad_token_id": 9, "use_cache": True}, "suppress_tokens": [7]}
    assert sorted(token_ids(settings)) == [2, 5, 9]
    assert list(token_ids({"bos_token_id": None, "boi_token_index": 3})) == [3]


def test_ids_get_new_numbers_at_any_depth_and_the_size_is_the_new_one() -> None:
    settings = {
        "vocab_size": 10,
        "bos_token_id": 2,
        "eos_token_id": [5, 9],
        "pad_token_id": -1,
        "decoder_start_token_id": None,
        "vision_config": {"vocab_size": 4, "image_token_id": 9},
        "hidden_size": 10,
        "tie_word_embeddings": True,
    }
    assert renumber(settings, NEW, (10, 3)) == {
        "vocab_size": 3,
        "bos_token_id": 0,
        "eos_token_id": [1, 2],
        "pad_token_id": None,
        "decoder_start_token_id": None,
        "vision_config": {"vocab_size": 4, "image_token_id": 2},
        "hidden_size": 10,
        "tie_word_embeddings": True,
    }


def test_lists_of_ids_keep_what_is_left() -> None:
    settings = {
        "suppress_tokens": [2, 3],
        "begin_suppress_tokens": [3],
        "bad_words_ids": [[2, 5], [2, 3]],
        "forced_decoder_ids": [[1, 5], [2, 3]],
        "sequence_bias": [[[9], 1.5], [[3], 1.0]],
    }
    assert renumber(settings, NEW, (10, 3)) == {
        "suppress_tokens": [0],
        "begin_suppress_tokens": None,
        "bad_words_ids": [[0, 1]],
        "forced_decoder_ids": [[1, 1]],
        "sequence_bias": [[[2], 1.5]],
    }
