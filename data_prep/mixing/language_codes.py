"""The codes of the languages that the language model knows, for recipes to be checked without it.

ISO 639-1 where there is one, else 639-2 or 639-3, as fastText's lid.176 names them.
"""

CODES = """
    af als am an ar arz as ast av az azb ba bar bcl be bg bh bn bo bpy br bs bxr ca cbk ce ceb ckb co cs cv cy da de
    diq dsb dty dv el eml en eo es et eu fa fi fr frr fy ga gd gl gn gom gu gv he hi hif hr hsb ht hu hy ia id ie ilo
    io is it ja jbo jv ka kk km kn ko krc ku kv kw ky la lb lez li lmo lo lrc lt lv mai mg mhr min mk ml mn mr mrj ms
    mt mwl my myv mzn nah nap nds ne new nl nn no oc or os pa pam pfl pl pms pnb ps pt qu rm ro ru rue sa sah sc scn
    sco sd sh si sk sl so sq sr su sv sw ta te tg th tk tl tr tt tyv ug uk ur uz vec vep vi vls vo wa war wuu xal xmf
    yi yo yue zh
"""
LANGUAGE_CODES = frozenset(CODES.split())


def unknown_language(code: str) -> str:
    """What to tell of a code that the model does not know, such as 'ha' (Hausa)."""
    return (
        f"the language model does not know '{code}', so it would drop nearly every such row; leave the language "
        f"filter out, or name known codes: {', '.join(sorted(LANGUAGE_CODES))}"
    )
